// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from 'preact/hooks'
import { PolicyForm } from '../components/policyform'
import { Table, type Column } from '../components/table'
import { Await, Banner, Button, Card, Chip, Empty, PageHead, Skeleton, Switch, Tabs, TextField, Time } from '../components/ui'
import { api } from '../lib/api'
import { compact, microseconds, percent, plural, say } from '../lib/format'
import { useResource } from '../lib/resource'
import { setQuery, usePlace } from '../lib/router'
import { useMay } from '../lib/session'
import { act } from '../lib/toast'
import { texts } from '../texts'

const T = texts.rbl
interface Item {
    number: number
    word: string | null
    name: string
    zone: string
    enabled: boolean
    description: string
    weight: number
    covered_by: number | string | null
    retired: boolean
    harsh: boolean
    preset: string
    state: 'off' | 'new' | 'in' | 'out'
    since?: string
    sentence?: string
    next_probe?: string
    asked?: number
    listed?: number
    failed?: number
    timed_out?: number
    latency_mean_us?: number
}
interface Rbl {
    enabled: boolean
    threshold: number
    public_resolver: string | null
    warnings: string[]
    items: Item[]
}
interface Checked {
    ip: string
    asked: number
    listed: number
    items: { number: number; name: string; zone: string; enabled: boolean; status: 'listed' | 'not-listed' | 'failed' | 'timed-out'; code: string | null; meaning: string | null; reason: string | null; latency_us: number }[]
}
const KINDS: Record<Item['state'], string> = { off: '', new: '', in: 'accept', out: 'reject' }

function Check() {
    const { query } = usePlace()
    const ip = query.get('ip') ?? ''
    const [text, setText] = useState(ip)
    const found = useResource<Checked>(ip ? '/rbl/check' : null, { ip, lists: 'all' })
    const kinds = { listed: 'reject', 'not-listed': 'accept', failed: '', 'timed-out': '' } as const
    return (
        <Card title={T.check} text={T.checkText}>
            <form class="stack" onSubmit={event => { event.preventDefault(); setQuery({ ip: text.trim() }) }}>
                <TextField label={texts.sessions.fields.client} value={text} onValue={setText} mono required placeholder="127.0.0.2" />
                <div><Button type="submit" disabled={!text.trim()}>{T.checkSubmit}</Button></div>
                {found.loading && ip && <><p class="soft">{T.checking}</p><Skeleton lines={4} /></>}
                {found.error && <Banner kind="bad">{found.error.message}</Banner>}
                {found.data && (
                    <div role="status" class="stack tight">
                        <p class="strong">{found.data.listed ? plural(found.data.listed, T.listedBy, { of: found.data.asked }) : say(T.listedNowhere, { n: found.data.asked })}</p>
                        <ul class="stack tight">
                            {found.data.items.map(item => (
                                <li key={item.number} class="row" style={{ alignItems: 'flex-start' }}>
                                    <Chip kind={kinds[item.status]} icon={item.status === 'listed' ? 'ban' : item.status === 'not-listed' ? 'check' : 'warning'}>{T.status[item.status]}</Chip>
                                    <span style={{ flex: 1, minWidth: 0 }}>{item.name} {item.code && <code>{item.code}</code>}<span class="soft small break" style={{ display: 'block' }}>{item.reason || item.meaning}</span></span>
                                </li>
                            ))}
                        </ul>
                    </div>
                )}
            </form>
        </Card>
    )
}

export default function RblPage() {
    const { query } = usePlace()
    const tab = query.get('tab') ?? 'lists'
    const admin = useMay('admin')
    const [starting, setStarting] = useState(false)
    const rbl = useResource<Rbl>('/rbl', undefined, starting ? 2 : 15)
    // A list is in use within seconds of being switched on: whoever did it sees it come.
    const some = rbl.data?.enabled === true && rbl.data.items.some(item => item.enabled && (item.state === 'new' || item.state === 'off'))
    useEffect(() => setStarting(some), [some])
    const set = (item: Item, enabled: boolean): Promise<boolean> => {
        const to = (value: boolean) => async (): Promise<void> => {
            await api.put('/settings/items', { [`rbl.${item.word}.enabled`]: value })
            rbl.reload()
        }
        return act(to(enabled), say(enabled ? T.switchedOn : T.switchedOff, { name: item.name }), to(!enabled))
    }
    const columns: Column<Item>[] = [
        { key: 'name', title: T.list, cell: row => (
            <>
                <span class="strong">{row.name}</span> {row.preset === 'recommended' && <Chip kind="accent">{T.recommended}</Chip>} {row.retired && <Chip kind="defer" icon="warning">{T.retired}</Chip>} {row.harsh && <Chip>{T.harsh}</Chip>}
                <span class="sub mono">{row.zone}</span>
                <span class="sub hide-narrow">{row.description}</span>
                {row.state === 'out' && row.sentence && <span class="sub" style={{ color: 'var(--reject-text)' }}>{say(T.outBecause, { why: row.sentence })} {row.next_probe && <>{T.nextProbe} <Time at={row.next_probe} mode="relative" /></>}</span>}
            </>
        ) },
        { key: 'state', title: T.state, as: 'fit', cell: row => <Chip kind={KINDS[row.state]} icon={row.state === 'in' ? 'check' : row.state === 'out' ? 'ban' : 'minus'}>{T.states[row.state]}</Chip> },
        { key: 'asked', title: T.asked, as: 'end hide-medium', cell: row => row.asked === undefined ? <span class="soft">–</span> : compact(row.asked) },
        { key: 'hits', title: T.hits, as: 'end hide-medium', cell: row => row.listed === undefined ? <span class="soft">–</span> : row.listed ? <a href={`/sessions?policy=rbl&text=${encodeURIComponent(row.name)}`}>{compact(row.listed)} <span class="soft small">{percent(row.listed, row.asked ?? 0)}</span></a> : '0' },
        { key: 'failed', title: T.failed, as: 'end hide-wide', cell: row => row.failed === undefined ? <span class="soft">–</span> : compact(row.failed + (row.timed_out ?? 0)) },
        { key: 'latency', title: T.latency, as: 'end hide-wide nowrap', cell: row => row.latency_mean_us ? microseconds(row.latency_mean_us) : <span class="soft">–</span> },
        { key: 'weight', title: T.weight, as: 'end hide-wide', cell: row => row.weight },
        { key: 'on', title: T.on, quiet: true, as: 'acts', cell: row => row.word && <Switch hidden checked={row.enabled} disabled={!admin} label={say(T.use, { name: row.name })} onChange={on => void set(row, on)} /> },
    ]
    return (
        <>
            <PageHead title={T.title} text={T.text} />
            <Tabs label={T.title} here={tab} tabs={[{ key: 'lists', text: T.lists, href: '/rbl' }, { key: 'check', text: T.check, href: '/rbl?tab=check' }, { key: 'settings', text: texts.nav.settings, href: '/rbl?tab=settings' }]} />
            {tab === 'settings' ? <PolicyForm policy="rbl" /> : tab === 'check' ? <Check /> : (
                    <div class="stack">
                        {rbl.data?.public_resolver && <Banner>{say(T.publicResolver, { address: rbl.data.public_resolver })}</Banner>}
                        {rbl.data && !rbl.data.enabled && <Banner kind="info" icon="about">{T.policyOff} <a href="/policies">{texts.policies.title}</a></Banner>}
                        {rbl.data?.warnings.map(text => <Banner key={text}>{text}</Banner>)}
                        <Card body={false} foot={rbl.data && say(T.threshold, { n: rbl.data.threshold })}>
                            <Await of={rbl} lines={12}>
                                {data => data.items.length ? <Table label={T.lists} columns={columns} id={row => String(row.number)} rows={[...data.items].sort((a, b) => Number(b.enabled) - Number(a.enabled))} /> : <Empty title={T.none} />}
                            </Await>
                        </Card>
                    </div>
            )}
        </>
    )
}

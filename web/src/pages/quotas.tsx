// SPDX-License-Identifier: Apache-2.0
import { useState } from 'preact/hooks'
import { Dialog } from '../components/dialog'
import { EXPIRES } from '../components/entry'
import { Icon } from '../components/icon'
import { PolicyForm } from '../components/policyform'
import { ListTable, Table, type Column } from '../components/table'
import { Banner, Button, Card, Chip, Empty, Meter, Mono, PageHead, SelectField, Tabs, TextField, Time } from '../components/ui'
import { api } from '../lib/api'
import { bytes, number, say } from '../lib/format'
import { useList, useResource } from '../lib/resource'
import { setQuery, usePlace } from '../lib/router'
import { useMay } from '../lib/session'
import { act } from '../lib/toast'
import { texts } from '../texts'

const T = texts.quotas
interface Quota {
    id: number
    subject: string
    limit: string
    scope: 'user' | 'domain' | 'ip' | 'global'
    name: string
    amount: number
    unit: 'recipients' | 'messages' | 'bytes'
    window: string
    comment: string
    expires: string | null
    author: string
    created: string
}
interface Usage {
    user?: string
    scope: Quota['scope']
    unit: Quota['unit']
    window: string
    limit: number
    used: number
    reserved: number
    left: number
    percent: number
    resets: string
    rule: number
    subject: string
    default: boolean
}
const amount = (count: number, unit: Quota['unit']): string => (unit === 'bytes' ? bytes(count) : `${number(count)} ${T.units[unit]}`)
const windowOf = (name: string): string => T.windows[name as 'day'] ?? name
const SCOPES = [['user', T.scopes.user], ['domain', T.scopes.domain], ['ip', T.scopes.ip], ['global', T.scopes.global]] as const
const UNITS = [['recipients', T.units.recipients], ['messages', T.units.messages], ['bytes', T.units.bytes]] as const
const WINDOWS = ['minute', 'hour', 'day', 'week', 'month'].map(name => [name, windowOf(name)] as const)
const FACTORS = [['1', 'B'], ['1024', 'KiB'], ['1048576', 'MiB'], ['1073741824', 'GiB']] as const

function QuotaDialog({ quota, onClose, onDone }: { quota: Quota | null; onClose: () => void; onDone: () => void }) {
    const [scope, setScope] = useState<string>(quota?.scope ?? 'user')
    const [name, setName] = useState(quota?.name ?? '')
    const [unit, setUnit] = useState<string>(quota?.unit ?? 'recipients')
    const [factor, setFactor] = useState<string>(quota?.unit === 'bytes' ? [...FACTORS].reverse().find(([one]) => quota.amount % Number(one) === 0)?.[0] ?? '1' : '1048576')
    const [count, setCount] = useState(String(quota ? (quota.unit === 'bytes' ? quota.amount / Number(factor) : quota.amount) : 500))
    const [window, setWindow] = useState(quota?.window ?? 'day')
    const [expires, setExpires] = useState('')
    const [comment, setComment] = useState(quota?.comment ?? '')
    const send = async (): Promise<void> => {
        const size = FACTORS.find(([one]) => one === factor)?.[1] ?? 'B'
        const body = { subject: scope === 'global' ? 'global' : `${scope} ${name.trim()}`, limit: `${count}${unit === 'bytes' && size !== 'B' ? size : ''} ${unit}/${window}`, comment, ...(expires ? { expires: Number(expires) } : {}) }
        if (quota) {
            await api.put(`/quotas/${quota.id}`, body)
            const before = { subject: quota.subject, limit: quota.limit, comment: quota.comment }
            void act(async () => {}, T.changed, async () => { await api.put(`/quotas/${quota.id}`, before); onDone() })
        } else {
            const made = await api.post<Quota>('/quotas', body)
            void act(async () => {}, say(T.added, { limit: made.limit, subject: made.subject }), async () => { await api.remove(`/quotas/${made.id}`); onDone() })
        }
        onDone()
    }
    return (
        <Dialog title={quota ? T.editTitle : T.addTitle} submit={quota ? texts.save : texts.add} onClose={onClose} onSubmit={send} disabled={!count || (scope !== 'global' && !name.trim())}>
            <div class="grid" style={{ '--least': '200px' }}>
                <SelectField label={T.whom} value={scope} onValue={setScope} options={SCOPES} />
                {scope !== 'global' && <TextField label={T.name} name="subject" value={name} onValue={setName} mono required hint={T.nameHint[scope as 'user']} focus />}
            </div>
            <div class="grid" style={{ '--least': '130px' }}>
                <TextField label={T.atMost} name="limit" type="number" value={count} onValue={setCount} required min={0} />
                {unit === 'bytes' && <SelectField label={texts.settings.unit} value={factor} onValue={setFactor} options={FACTORS} />}
                <SelectField label={T.what} value={unit} onValue={setUnit} options={UNITS} />
                <SelectField label={T.per} value={window} onValue={setWindow} options={WINDOWS} />
            </div>
            <div class="grid" style={{ '--least': '200px' }}>
                <SelectField label={texts.lists.expires} name="expires" value={expires} onValue={setExpires} options={EXPIRES} />
                <TextField label={texts.lists.comment} name="comment" value={comment} onValue={setComment} />
            </div>
        </Dialog>
    )
}

function Used({ row }: { row: Usage }) {
    const kind = row.percent >= 100 ? 'reject' : row.percent >= 80 ? 'defer' : 'accent'
    return (
        <span style={{ display: 'grid', gap: '3px', minWidth: '110px' }}>
            <span class="row between small" style={{ flexWrap: 'nowrap' }}><span class="nowrap">{amount(row.used + row.reserved, row.unit)}</span><span class="num soft">{row.percent} %</span></span>
            <Meter value={row.percent} max={100} kind={kind} label={say(T.usedOf, { used: amount(row.used + row.reserved, row.unit), limit: amount(row.limit, row.unit) })} />
        </span>
    )
}
const usageColumns = (): Column<Usage>[] => [
    { key: 'limit', title: T.limit, cell: row => <>{amount(row.limit, row.unit)} {say(T.perWindow, { window: windowOf(row.window) })}<span class="sub">{row.subject}{row.default ? ` · ${T.default}` : ''}</span></> },
    { key: 'used', title: T.used, cell: row => <><Used row={row} /><span class="sub">{T.resets} <Time at={row.resets} mode="relative" /></span></> },
]

function UsageCard({ may }: { may: boolean }) {
    const { query } = usePlace()
    const sender = query.get('sender') ?? ''
    const [text, setText] = useState(sender)
    const usage = useResource<{ user: string; items: Usage[] }>(sender ? '/quotas/usage' : null, { [/^[0-9a-f.:]+$/i.test(sender) && /[.:]/.test(sender) && !sender.includes('@') && /^\d|:/.test(sender) ? 'client' : 'sender']: sender }, 15)
    const reset = (): Promise<boolean> => act(() => api.post('/quotas/reset', { sender }), say(T.wasReset, { name: sender }))
    return (
        <Card title={T.usage} text={T.usageText} body={false}>
            <div class="body" style={{ paddingTop: 0 }}>
                <form class="row" style={{ alignItems: 'flex-end' }} onSubmit={event => { event.preventDefault(); setQuery({ sender: text.trim() }) }}>
                    <div style={{ flex: '1 1 200px' }}><TextField label={T.usageOf} value={text} onValue={setText} mono required placeholder="user@example.com" /></div>
                    <Button type="submit">{T.look}</Button>
                </form>
            </div>
            {usage.error && <div class="body"><Banner kind="bad">{usage.error.message}</Banner></div>}
            {usage.data && (usage.data.items.length ? <Table label={T.usage} columns={usageColumns()} rows={usage.data.items} id={row => `${row.rule}${row.window}`} /> : <Empty icon="quotas" title={T.noLimit}>{T.noLimitText}</Empty>)}
            {usage.data && usage.data.items.length > 0 && (
                <footer class="foot">
                    <a href={`/sessions?identity=${encodeURIComponent(sender)}`}>{texts.sessions.title}</a>
                    {may && sender.includes('@') && <Button slim icon="refresh" onClick={() => void reset().then(usage.reload)}>{T.reset}</Button>}
                </footer>
            )}
        </Card>
    )
}

function NearLimit({ may }: { may: boolean }) {
    const { query } = usePlace()
    const near = query.get('near') ?? '80'
    const list = useList<Usage>('/quotas/users', { near, limit: 50 })
    const columns: Column<Usage>[] = [
        { key: 'user', title: T.user, cell: row => <a class="break" href={`/quotas?sender=${encodeURIComponent(row.user ?? '')}`}>{row.user}</a> },
        ...usageColumns(),
        ...(may ? [{ key: 'acts', title: T.reset, quiet: true, as: 'acts', cell: (row: Usage) => <Button slim onClick={() => void act(() => api.post('/quotas/reset', { sender: row.user }), say(T.wasReset, { name: row.user ?? '' })).then(list.reload)}>{T.reset}</Button> }] : []),
    ]
    return (
        <Card title={T.near} text={T.nearText} body={false} aside={<div style={{ width: '170px' }}><SelectField label={<span class="hidden">{T.from}</span>} value={near} onValue={value => setQuery({ near: value === '80' ? null : value })} options={['50', '80', '95', '100'].map(value => [value, say(T.fromPercent, { n: value })] as const)} /></div>}>
            <ListTable label={T.near} list={list} columns={columns} id={row => `${row.user}${row.rule}${row.window}`} empty={<Empty icon="check" title={T.nearNone}>{T.nearNoneText}</Empty>} />
        </Card>
    )
}

export default function Quotas() {
    const { query } = usePlace()
    const tab = query.get('tab') ?? 'limits'
    const may = useMay('operator')
    const contains = query.get('contains') ?? ''
    const list = useList<Quota>('/quotas', { contains, limit: 50 })
    const [open, setOpen] = useState<Quota | 'new' | null>(null)
    const remove = async (row: Quota): Promise<void> => {
        await act(() => api.remove(`/quotas/${row.id}`), say(T.removed, { subject: row.subject }), async () => {
            await api.post('/quotas', { subject: row.subject, limit: row.limit, comment: row.comment, ...(row.expires ? { expires: row.expires } : {}) })
            list.reload()
        })
        list.reload()
    }
    const columns: Column<Quota>[] = [
        { key: 'subject', title: T.whom, cell: row => <><Mono text={row.scope === 'global' ? T.scopes.global : row.name} /><span class="sub">{[row.scope === 'global' ? '' : row.scope === 'user' && row.name.startsWith('*') ? T.eachUser : T.scopes[row.scope], row.comment].filter(Boolean).join(' · ')}</span></> },
        { key: 'limit', title: T.limit, cell: row => <>{amount(row.amount, row.unit)} <span class="soft">{say(T.perWindow, { window: windowOf(row.window) })}</span></> },
        { key: 'expires', title: texts.access.expires, as: 'fit hide-medium', cell: row => row.expires ? <Chip kind="defer" icon="clock"><Time at={row.expires} mode="relative" /></Chip> : <span class="soft">{texts.lists.never}</span> },
        { key: 'created', title: texts.access.created, as: 'fit hide-wide', cell: row => <><Time at={row.created} /><span class="sub">{say(texts.access.by, { author: row.author })}</span></> },
        { key: 'hits', title: texts.access.hits, quiet: true, as: 'fit hide-narrow', cell: row => <a href={`/sessions?rule=${encodeURIComponent(`quota:${row.id} *`)}`}>{texts.access.hits}</a> },
        ...(may ? [{ key: 'acts', title: texts.edit, quiet: true, as: 'acts', cell: (row: Quota) => <span class="nowrap"><Button slim kind="plain" icon="edit" label={`${texts.edit}: ${row.subject}`} onClick={() => setOpen(row)} /><Button slim kind="plain" icon="trash" label={`${texts.remove}: ${row.subject}`} onClick={() => void remove(row)} /></span> }] : []),
    ]
    return (
        <>
            <PageHead title={T.title} text={T.text}>{may && <Button kind="primary" icon="plus" onClick={() => setOpen('new')}>{T.add}</Button>}</PageHead>
            <Tabs label={T.title} here={tab} tabs={[{ key: 'limits', text: T.limits, href: '/quotas' }, { key: 'near', text: T.near, href: '/quotas?tab=near' }, { key: 'settings', text: texts.nav.settings, href: '/quotas?tab=settings' }]} />
            {tab === 'settings' ? <PolicyForm policy="quotas" /> : tab === 'near' ? <NearLimit may={may} /> : (
                <div class="split">
                    <Card body={false}>
                        <div class="filters"><div class="search"><Icon name="search" /><input class="input" data-search type="search" aria-label={T.search} placeholder={T.search} value={contains} onInput={event => setQuery({ contains: event.currentTarget.value })} /></div></div>
                        <ListTable label={T.limits} list={list} columns={columns} id={row => String(row.id)} empty={<Empty icon="quotas" title={T.none} actions={may && <Button kind="primary" icon="plus" onClick={() => setOpen('new')}>{T.add}</Button>}>{T.noneText}</Empty>} />
                    </Card>
                    <UsageCard key={query.get('sender') ?? ''} may={may} />
                </div>
            )}
            {open && <QuotaDialog quota={open === 'new' ? null : open} onClose={() => setOpen(null)} onDone={list.reload} />}
        </>
    )
}

// SPDX-License-Identifier: Apache-2.0
import { useState } from 'preact/hooks'
import { Dialog } from '../components/dialog'
import { PolicyForm } from '../components/policyform'
import { ListTable, type Column } from '../components/table'
import { Await, Banner, Button, Card, Chip, Empty, Meter, PageHead, Segments, SelectField, Tabs, TextField, Time } from '../components/ui'
import { api } from '../lib/api'
import { duration, number, say } from '../lib/format'
import { useList, useResource } from '../lib/resource'
import { setQuery, usePlace, withQuery } from '../lib/router'
import { useMay } from '../lib/session'
import { act } from '../lib/toast'
import { texts } from '../texts'
import { History, type ByHand } from './reputation'

const T = texts.blacklist
interface Block {
    ip?: string
    network: string
    blocked: boolean
    permanent: boolean
    released: boolean
    trigger: string | null
    since: string | null
    until: string | null
    offences: number
    sequence?: string | null
    exempt?: string | null
    by_hand?: ByHand[]
    counters?: { trigger: string; enabled: boolean; count: number; threshold: number; window: number; duration: number }[]
}
const triggerOf = (name: string | null): string => (name ? T.triggers[name as 'rejections'] ?? name : '–')
const addressOf = (row: Block): string => row.network.split('/')[0] ?? ''

/** Blocks again for what was left of the time. */
async function again(row: Block): Promise<void> {
    const left = row.until ? Math.max(60, Math.round((Date.parse(row.until) - Date.now()) / 1000)) : 0
    await api.post('/blacklist', { ip: addressOf(row), ...(row.permanent || !left ? { permanent: true } : { duration: left }), comment: texts.session.undoComment })
}
async function release(row: Block, done: () => void): Promise<void> {
    await act(() => api.remove(`/blacklist/${addressOf(row)}`), say(texts.session.released, { client: row.network }), async () => { await again(row); done() })
    done()
}
async function keep(row: Block, done: () => void): Promise<void> {
    await act(() => api.put(`/blacklist/${addressOf(row)}/permanent`), say(T.nowPermanent, { network: row.network }), async () => {
        await api.remove(`/blacklist/${addressOf(row)}`)
        await again(row)
        done()
    })
    done()
}

const SPANS = [['3600', texts.lists.hour], ['86400', texts.lists.day], ['604800', texts.lists.week], ['2592000', texts.lists.month], ['', texts.lists.never]] as const
function AddDialog({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
    const [ip, setIp] = useState('')
    const [span, setSpan] = useState('86400')
    const [comment, setComment] = useState('')
    const send = async (): Promise<void> => {
        await api.post('/blacklist', { ip: ip.trim(), ...(span ? { duration: Number(span) } : { permanent: true }), ...(comment ? { comment } : {}) })
        void act(async () => {}, say(T.added, { ip }), async () => { await api.remove(`/blacklist/${ip.trim()}`); onDone() })
        onDone()
    }
    return (
        <Dialog title={T.add} submit={T.block} kind="danger" onClose={onClose} onSubmit={send} disabled={!ip.trim()}>
            <p class="soft">{T.addText}</p>
            <TextField label={texts.sessions.fields.client} name="ip" value={ip} onValue={setIp} mono required focus placeholder="192.0.2.1" />
            <SelectField label={texts.lists.expires} name="duration" value={span} onValue={setSpan} options={SPANS} />
            <TextField label={texts.lists.comment} name="comment" value={comment} onValue={setComment} hint={texts.lists.commentHint} />
        </Dialog>
    )
}

function One({ ip, onChange }: { ip: string; onChange: () => void }) {
    const found = useResource<Block>(`/blacklist/${encodeURIComponent(ip)}`, undefined, 15)
    const may = useMay('operator')
    const done = (): void => { found.reload(); onChange() }
    return (
        <Card title={ip}>
            <Await of={found} lines={5}>
                {row => (
                    <div class="stack">
                        <div class="row">
                            <Chip kind={row.blocked ? 'reject' : 'accept'} icon={row.blocked ? 'ban' : 'check'}>{row.blocked ? (row.permanent ? T.forGood : T.blocked) : T.notBlocked}</Chip>
                            {row.blocked && !row.permanent && row.until && <span>{T.until} <Time at={row.until} mode="relative" /></span>}
                        </div>
                        {row.exempt && <Banner kind="info" icon="about">{say(T.exempt, { why: row.exempt })}</Banner>}
                        <dl class="facts">
                            {row.trigger && <><dt>{T.why}</dt><dd>{triggerOf(row.trigger)}</dd></>}
                            {row.since && <><dt>{T.since}</dt><dd><Time at={row.since} mode="exact" /></dd></>}
                            <dt>{T.offences}</dt><dd>{number(row.offences)}</dd>
                            <dt>{texts.sessions.title}</dt><dd><a href={`/sessions?client=${encodeURIComponent(ip)}`}>{T.sessions}</a>{row.sequence && <> · <a href={`/sessions?open=${row.sequence}`}>{T.cause}</a></>}</dd>
                        </dl>
                        {row.counters && (
                            <section class="section">
                                <h3>{T.counters}</h3>
                                <ul class="stack tight">
                                    {row.counters.filter(one => one.enabled).map(one => (
                                        <li key={one.trigger}>
                                            <span class="row between small"><span>{triggerOf(one.trigger)}</span><span class="num soft">{say(T.counter, { count: one.count, threshold: one.threshold, window: duration(one.window) })}</span></span>
                                            <Meter value={one.count} max={one.threshold} kind={one.count * 5 >= one.threshold * 4 ? 'reject' : 'accent'} label={`${triggerOf(one.trigger)}: ${one.count} / ${one.threshold}`} />
                                        </li>
                                    ))}
                                </ul>
                            </section>
                        )}
                        {may && row.blocked && (
                            <div class="actions">
                                <Button slim kind="primary" onClick={() => void release(row, done)}>{T.release}</Button>
                                {!row.permanent && <Button slim onClick={() => void keep(row, done)}>{T.permanent}</Button>}
                            </div>
                        )}
                        <History items={row.by_hand} />
                    </div>
                )}
            </Await>
        </Card>
    )
}

export default function Blacklist() {
    const { query } = usePlace()
    const tab = query.get('tab') ?? 'blocks'
    const state = query.get('state') === 'all' ? 'all' : 'blocked'
    const trigger = query.get('trigger') ?? ''
    const ip = query.get('ip') ?? ''
    const may = useMay('operator')
    const list = useList<Block>('/blacklist', { state, trigger, limit: 50 })
    const [open, setOpen] = useState(false)
    const [text, setText] = useState(ip)
    const columns: Column<Block>[] = [
        { key: 'network', title: texts.reputation.network, cell: row => <><a class="mono" href={withQuery({ ip: addressOf(row) })}>{row.network}</a><span class="sub">{triggerOf(row.trigger)}</span></> },
        { key: 'state', title: T.state, as: 'fit', cell: row => row.permanent && row.blocked ? <Chip kind="reject" icon="ban">{T.forGood}</Chip> : row.blocked ? <Chip kind="reject" icon="clock"><Time at={row.until} mode="relative" /></Chip> : <Chip icon="check">{row.released ? T.released : T.over}</Chip> },
        { key: 'since', title: T.since, as: 'fit hide-medium', cell: row => <Time at={row.since} /> },
        { key: 'offences', title: T.offences, as: 'end hide-wide', cell: row => number(row.offences) },
        ...(may ? [{ key: 'acts', title: T.release, quiet: true, as: 'acts', cell: (row: Block) => row.blocked && <span class="nowrap"><Button slim onClick={() => void release(row, list.reload)}>{T.release}</Button>{!row.permanent && <span class="hide-narrow"><Button slim kind="plain" onClick={() => void keep(row, list.reload)}>{T.permanent}</Button></span>}</span> }] : []),
    ]
    const triggers = [['', T.anyTrigger], ...Object.entries(T.triggers)] as [string, string][]
    return (
        <>
            <PageHead title={T.title} text={T.text}>{may && <Button kind="danger" icon="plus" onClick={() => setOpen(true)}>{T.add}</Button>}</PageHead>
            <Tabs label={T.title} here={tab} tabs={[{ key: 'blocks', text: T.blocks, href: '/intelligence/blacklist' }, { key: 'settings', text: T.rules, href: '/intelligence/blacklist?tab=settings' }]} />
            {tab === 'settings' ? <PolicyForm policy="auto_blacklist" /> : (
                <div class="split">
                    <Card body={false}>
                        <form class="filters" role="search" aria-label={T.title} onSubmit={event => { event.preventDefault(); setQuery({ ip: text.trim() }) }}>
                            <div class="line" style={{ alignItems: 'flex-end' }}>
                                <div style={{ flex: '1 1 180px' }}><TextField label={texts.reputation.look} value={text} onValue={setText} mono placeholder="192.0.2.1" /></div>
                                <Button type="submit" disabled={!text.trim()}>{texts.reputation.lookSubmit}</Button>
                                <SelectField label={T.why} value={trigger} onValue={value => setQuery({ trigger: value })} options={triggers} />
                                <Segments label={T.state} here={state} options={[{ key: 'blocked', text: T.now, href: withQuery({ state: null }) }, { key: 'all', text: T.allOfThem, href: withQuery({ state: 'all' }) }]} />
                            </div>
                        </form>
                        <ListTable label={T.blocks} list={list} columns={columns} id={row => row.network} empty={<Empty icon="blacklist" title={T.none}>{T.noneText}</Empty>} />
                    </Card>
                    {ip ? <One key={ip} ip={ip} onChange={list.reload} /> : <Card title={T.how}><p class="soft">{T.howText}</p></Card>}
                </div>
            )}
            {open && <AddDialog onClose={() => setOpen(false)} onDone={list.reload} />}
        </>
    )
}

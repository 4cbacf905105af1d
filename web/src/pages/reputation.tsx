// SPDX-License-Identifier: Apache-2.0
import { useState } from 'preact/hooks'
import { clientScopes, EntryDialog } from '../components/entry'
import { ListTable, type Column } from '../components/table'
import { PolicyForm } from '../components/policyform'
import { Await, Button, Card, Chip, Empty, Meter, PageHead, SelectField, Tabs, TextField, Time } from '../components/ui'
import { api } from '../lib/api'
import { number, say } from '../lib/format'
import { useList, useResource } from '../lib/resource'
import { setQuery, usePlace } from '../lib/router'
import { useMay } from '../lib/session'
import { confirm } from '../components/dialog'
import { toast } from '../lib/toast'
import type { ListName } from '../lib/types'
import { texts } from '../texts'

const T = texts.reputation
export interface Reputation {
    ip?: string
    network: string
    known: boolean
    score: number
    refused: boolean
    skips_greylisting: boolean
    accepted: number
    rejected: number
    deferred: number
    last_seen: string | null
    allowed?: { id: number; pattern: string } | null
    by_hand?: ByHand[]
}
export interface ByHand {
    time: string
    author: string
    what: string
    comment: string
}
const bandOf = (row: Reputation): string => (row.refused ? 'reject' : row.score < 40 ? 'defer' : row.skips_greylisting ? 'accept' : 'accent')

export function Score({ row }: { row: Reputation }) {
    return (
        <span class="row" style={{ flexWrap: 'nowrap' }}>
            <b class="num end" style={{ minWidth: '3ch' }}>{row.score}</b>
            <span style={{ flex: 1, minWidth: '48px' }}><Meter value={row.score} max={100} kind={bandOf(row)} label={say(T.scoreOf, { n: row.score })} /></span>
        </span>
    )
}
export function History({ items }: { items: ByHand[] | undefined }) {
    if (!items?.length) return null
    return (
        <section class="section">
            <h3>{T.byHand}</h3>
            <ul class="reads">{items.map((one, at) => <li key={at}><Time at={one.time} mode="exact" /> · {one.author}: {T.acts[one.what as 'reset'] ?? one.what}{one.comment ? ` “${one.comment}”` : ''}</li>)}</ul>
        </section>
    )
}
export function reset(ip: string, done: () => void): void {
    confirm({ title: say(T.resetTitle, { ip }), text: T.resetText, submit: T.reset, kind: 'primary', does: async () => {
        await api.post(`/reputation/${ip}/reset`)
        toast(say(T.wasReset, { ip }))
        done()
    } })
}

function One({ ip }: { ip: string }) {
    const found = useResource<Reputation>(`/reputation/${encodeURIComponent(ip)}`)
    const may = useMay('operator')
    const [open, setOpen] = useState<ListName | null>(null)
    return (
        <Card title={ip}>
            <Await of={found} lines={4}>
                {row => (
                    <div class="stack">
                        <Score row={row} />
                        <div class="row">
                            {!row.known && <Chip>{T.unknown}</Chip>}
                            {row.refused && <Chip kind="reject" icon="ban">{T.refused}</Chip>}
                            {row.skips_greylisting && <Chip kind="accept" icon="check">{T.skips}</Chip>}
                            {row.allowed && <Chip kind="accept" icon="check">{say(T.exempt, { pattern: row.allowed.pattern })}</Chip>}
                        </div>
                        <dl class="facts">
                            <dt>{T.network}</dt><dd class="mono">{row.network}</dd>
                            <dt>{T.seen}</dt><dd><Time at={row.last_seen} mode="exact" /></dd>
                            <dt>{texts.sessions.title}</dt><dd><a href={`/sessions?client=${encodeURIComponent(ip)}`}>{say(T.counts, { accepted: row.accepted, rejected: row.rejected, deferred: row.deferred })}</a></dd>
                            <dt>{texts.nav.blacklist}</dt><dd><a href={`/intelligence/blacklist?ip=${encodeURIComponent(ip)}`}>{T.blacklist}</a></dd>
                        </dl>
                        {may && (
                            <div class="actions">
                                <Button slim icon="refresh" onClick={() => reset(ip, found.reload)}>{T.reset}</Button>
                                {!row.allowed && <Button slim icon="check" onClick={() => setOpen('reputation_allow')}>{texts.lists.addSubmit.reputation_allow}</Button>}
                                <Button slim kind="danger" icon="ban" onClick={() => setOpen('block')}>{texts.session.blockClient}</Button>
                            </div>
                        )}
                        <History items={row.by_hand} />
                    </div>
                )}
            </Await>
            {open && <EntryDialog list={open} scopes={clientScopes(ip)} onClose={() => setOpen(null)} onDone={found.reload} />}
        </Card>
    )
}

const BANDS = [['', T.all], ['0-10', T.bands.refused], ['0-39', T.bands.low], ['40-79', T.bands.middle], ['80-100', T.bands.high]] as const
export default function ReputationPage() {
    const { query } = usePlace()
    const tab = query.get('tab') ?? 'scores'
    const band = query.get('score') ?? ''
    const [min, max] = band.split('-')
    const ip = query.get('ip') ?? ''
    const [text, setText] = useState(ip)
    const may = useMay('operator')
    const list = useList<Reputation>('/reputation', { min: min ?? '', max: max ?? '', limit: 50 })
    const columns: Column<Reputation>[] = [
        { key: 'network', title: T.network, cell: row => <><a class="mono" href={`/intelligence/reputation?ip=${encodeURIComponent(row.network.split('/')[0] ?? '')}`}>{row.network}</a> {row.refused && <Chip kind="reject" icon="ban">{T.refused}</Chip>}</> },
        { key: 'score', title: T.score, cell: row => <Score row={row} /> },
        { key: 'accepted', title: texts.verdictCount.accept, as: 'end hide-medium', cell: row => number(row.accepted) },
        { key: 'deferred', title: texts.verdictCount.defer, as: 'end hide-medium', cell: row => number(row.deferred) },
        { key: 'rejected', title: texts.verdictCount.reject, as: 'end hide-narrow', cell: row => row.rejected ? <a href={`/sessions?verdict=reject&client=${encodeURIComponent(row.network)}`}>{number(row.rejected)}</a> : '0' },
        { key: 'seen', title: T.seen, as: 'fit hide-medium', cell: row => <Time at={row.last_seen} mode="relative" /> },
        ...(may ? [{ key: 'acts', title: T.reset, quiet: true, as: 'acts', cell: (row: Reputation) => <Button slim kind="plain" icon="refresh" label={say(T.resetTitle, { ip: row.network })} onClick={() => reset(row.network.split('/')[0] ?? '', list.reload)} /> }] : []),
    ]
    return (
        <>
            <PageHead title={T.title} text={T.text} />
            <Tabs label={T.title} here={tab} tabs={[{ key: 'scores', text: T.scores, href: '/intelligence/reputation' }, { key: 'settings', text: texts.nav.settings, href: '/intelligence/reputation?tab=settings' }]} />
            {tab === 'settings' ? <PolicyForm policy="ip_reputation" /> : (
                <div class="split">
                    <Card body={false}>
                        <form class="filters" role="search" aria-label={T.title} onSubmit={event => { event.preventDefault(); setQuery({ ip: text.trim() }) }}>
                            <div class="line" style={{ alignItems: 'flex-end' }}>
                                <div style={{ flex: '1 1 200px' }}><TextField label={T.look} value={text} onValue={setText} mono placeholder="192.0.2.1" /></div>
                                <Button type="submit" disabled={!text.trim()}>{T.lookSubmit}</Button>
                                <SelectField label={T.band} value={band} onValue={score => setQuery({ score })} options={BANDS} />
                            </div>
                        </form>
                        <ListTable label={T.scores} list={list} columns={columns} id={row => row.network} here={null} empty={<Empty icon="reputation" title={T.none}>{T.noneText}</Empty>} />
                    </Card>
                    {ip ? <One key={ip} ip={ip} /> : <Card title={T.how}><p class="soft">{T.howText}</p></Card>}
                </div>
            )}
        </>
    )
}

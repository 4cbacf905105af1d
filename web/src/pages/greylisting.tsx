// SPDX-License-Identifier: Apache-2.0
import { useState } from 'preact/hooks'
import { EntryDialog } from '../components/entry'
import { Tile } from '../components/figures'
import { PolicyForm } from '../components/policyform'
import { ListTable, type Column } from '../components/table'
import { Await, Banner, Button, Card, Chip, Empty, Meter, PageHead, Segments, Tabs, TextField, Time } from '../components/ui'
import { api } from '../lib/api'
import { number, percent, say } from '../lib/format'
import { useList, useResource, type List } from '../lib/resource'
import { setQuery, usePlace, withQuery } from '../lib/router'
import { useMay } from '../lib/session'
import { act } from '../lib/toast'
import type { ListEntry } from '../lib/types'
import { texts } from '../texts'
import { EntryTable } from './access'

const T = texts.greylisting
interface Entry {
    key: string
    known: boolean
    state: 'absent' | 'waiting' | 'passed' | 'late' | 'expired'
    first: string
    passed: string | null
    last_used: string
    expires: string
    attempts: number
    accepts_from?: string
    sender: string | null
    recipient: string | null
    client: string | null | { network: string; passes: number; trusted: boolean; expires: string }
}
interface Client {
    key: string
    client: string | null
    passes: number
    trusted: boolean
    last_used: string
    expires: string
}
interface Stats {
    entries: number
    waiting: number
    passed: number
    expired: number
    clients: number
    clients_trusted: number
    evicted: number
    capacity: number
    deferred: number
    retried: number
    known: number
}
const KINDS: Record<Entry['state'], string> = { absent: '', waiting: 'defer', passed: 'accept', late: '', expired: '' }
const STATES = ['waiting', 'passed', 'late', 'expired'] as const

function Entries({ may }: { may: boolean }) {
    const { query } = usePlace()
    const state = STATES.find(one => one === query.get('state')) ?? 'waiting'
    const list = useList<Entry>('/greylist/entries', { state, limit: 50 })
    const [gone, setGone] = useState<Record<string, 'passed' | 'forgotten'>>({})
    const pass = async (row: Entry): Promise<void> => {
        if (await act(() => api.post('/greylist/pass', { key: row.key }), T.letIn, () => api.post('/greylist/forget', { key: row.key }))) setGone({ ...gone, [row.key]: 'passed' })
    }
    const forget = async (row: Entry): Promise<void> => {
        if (await act(() => api.post('/greylist/forget', { key: row.key }), T.forgotten)) setGone({ ...gone, [row.key]: 'forgotten' })
    }
    const columns: Column<Entry>[] = [
        { key: 'state', title: T.state, as: 'fit', cell: row => <Chip kind={gone[row.key] === 'passed' ? 'accept' : KINDS[row.state]} icon={row.state === 'waiting' ? 'clock' : row.state === 'passed' ? 'check' : 'minus'}>{gone[row.key] === 'passed' ? T.states.passed : gone[row.key] ? T.states.forgotten : T.states[row.state]}</Chip> },
        { key: 'who', title: T.who, as: 'max', cell: row => row.recipient === null && row.sender === null ? <span class="soft mono cut" title={row.key}>{say(T.unknown, { key: row.key.slice(0, 8) })}</span> : (
            <>
                <a class="cut" style={{ display: 'block' }} href={`/sessions?${new URLSearchParams({ policy: 'greylisting', ...(row.sender ? { sender: row.sender } : {}), ...(row.recipient ? { recipient: row.recipient } : {}) })}`}>{row.sender || texts.nullSender}</a>
                <span class="sub cut">→ {row.recipient}</span>
            </>
        ) },
        { key: 'client', title: texts.sessions.fields.client, as: 'fit hide-medium', cell: row => typeof row.client === 'string' ? <a href={`/sessions?client=${row.client}`}>{row.client}</a> : '–' },
        { key: 'attempts', title: T.attempts, as: 'end hide-medium', cell: row => number(row.attempts) },
        { key: 'first', title: T.first, as: 'fit hide-narrow', cell: row => <Time at={row.first} /> },
        { key: 'then', title: state === 'waiting' ? T.acceptsFrom : T.expires, as: 'fit hide-wide', cell: row => state === 'waiting' && row.accepts_from && Date.parse(row.accepts_from) < Date.now() ? <span class="soft">{T.atRetry}</span> : <Time at={state === 'waiting' && row.accepts_from ? row.accepts_from : row.expires} mode="relative" /> },
        ...(may ? [{ key: 'acts', title: T.actions, quiet: true, as: 'acts', cell: (row: Entry) => gone[row.key] ? null : (
            <span class="nowrap">
                {row.state === 'waiting' && <Button slim onClick={() => void pass(row)}>{T.pass}</Button>}{' '}
                <Button slim kind="plain" icon="trash" label={T.forget} onClick={() => void forget(row)} />
            </span>
        ) }] : []),
    ]
    return (
        <Card title={T.entries} text={T.entriesText} body={false} aside={<Segments label={T.state} here={state} options={STATES.map(one => ({ key: one, text: T.states[one], href: withQuery({ state: one === 'waiting' ? null : one }) }))} />}>
            <ListTable label={T.entries} list={list} columns={columns} id={row => row.key} empty={<Empty icon="greylisting" title={T.none}>{T.noneText}</Empty>} />
        </Card>
    )
}

function Clients() {
    const list = useList<Client>('/greylist/clients', { limit: 50 })
    const columns: Column<Client>[] = [
        { key: 'client', title: T.network, cell: row => row.client ? <a class="mono" href={`/sessions?client=${encodeURIComponent(row.client)}`}>{row.client}</a> : <span class="soft mono">{row.key.slice(0, 12)}</span> },
        { key: 'trusted', title: T.trusted, as: 'fit', cell: row => row.trusted ? <Chip kind="accept" icon="check">{T.trusted}</Chip> : <span class="soft">{T.notYet}</span> },
        { key: 'passes', title: T.passes, as: 'end', cell: row => number(row.passes) },
        { key: 'last', title: T.lastUsed, as: 'fit hide-narrow', cell: row => <Time at={row.last_used} /> },
        { key: 'expires', title: T.expires, as: 'fit hide-medium', cell: row => <Time at={row.expires} mode="relative" /> },
    ]
    return <Card title={T.clients} text={T.clientsText} body={false}><ListTable label={T.clients} list={list} columns={columns} id={row => row.key} empty={<Empty icon="greylisting" title={T.clientsNone}>{T.clientsNoneText}</Empty>} /></Card>
}

function Exempt({ may }: { may: boolean }) {
    const list: List<ListEntry> = useList<ListEntry>('/lists/greylist_exempt', { limit: 50 })
    const [open, setOpen] = useState(false)
    const add = may && <Button icon="plus" kind="primary" slim onClick={() => setOpen(true)}>{texts.lists.addSubmit.greylist_exempt}</Button>
    return (
        <>
            <Card title={texts.lists.names.greylist_exempt} text={texts.lists.addText.greylist_exempt} body={false} aside={add}>
                <EntryTable name="greylist_exempt" list={list} may={may} empty={<Empty icon="greylisting" title={texts.access.empty.greylist_exempt}>{texts.access.emptyText.greylist_exempt}</Empty>} />
            </Card>
            {open && <EntryDialog list="greylist_exempt" onClose={() => setOpen(false)} onDone={list.reload} />}
        </>
    )
}

function Lookup({ may }: { may: boolean }) {
    const { query } = usePlace()
    const asked = { client: query.get('client') ?? '', sender: query.get('sender') ?? '', recipient: query.get('recipient') ?? '' }
    const [form, setForm] = useState(asked)
    const found = useResource<Entry>(asked.client && asked.recipient ? '/greylist' : null, asked)
    const send = (event: Event): void => { event.preventDefault(); setQuery(form) }
    return (
        <Card title={T.lookup} text={T.lookupText}>
            <form class="stack" onSubmit={send}>
                <div class="grid" style={{ '--least': '180px' }}>
                    <TextField label={texts.sessions.fields.client} value={form.client} onValue={client => setForm({ ...form, client })} mono required />
                    <TextField label={texts.sessions.fields.sender} value={form.sender} onValue={sender => setForm({ ...form, sender })} mono />
                    <TextField label={texts.sessions.fields.recipient} value={form.recipient} onValue={recipient => setForm({ ...form, recipient })} mono required />
                </div>
                <div class="row"><Button type="submit">{T.lookupSubmit}</Button>
                    {found.data && (
                        <span class="row" role="status">
                            <Chip kind={KINDS[found.data.state]}>{T.states[found.data.state]}</Chip>
                            {found.data.state === 'waiting' && found.data.accepts_from && <span>{T.acceptsFrom} <Time at={found.data.accepts_from} mode="relative" /></span>}
                            {found.data.state !== 'absent' && <span class="soft">{say(T.tries, { n: found.data.attempts })}</span>}
                            {may && found.data.state === 'waiting' && <Button slim onClick={() => void act(() => api.post('/greylist/pass', asked), T.letIn, () => api.post('/greylist/forget', asked)).then(found.reload)}>{T.pass}</Button>}
                            {may && found.data.state !== 'absent' && <Button slim onClick={() => void act(() => api.post('/greylist/forget', asked), T.forgotten).then(found.reload)}>{T.forget}</Button>}
                        </span>
                    )}
                </div>
                {found.error && <Banner kind="bad">{found.error.message}</Banner>}
            </form>
        </Card>
    )
}

export default function Greylisting() {
    const { query } = usePlace()
    const may = useMay('operator')
    const stats = useResource<Stats>('/greylist/stats', undefined, 15)
    const tab = query.get('tab') ?? 'entries'
    return (
        <>
            <PageHead title={T.title} text={T.text} />
            <Await of={stats} lines={3}>
                {data => (
                    <div class="tiles" style={{ marginBottom: '16px' }}>
                        <Tile name={T.states.waiting} value={data.waiting} mark="--defer" href="/greylisting" under={T.now} />
                        <Tile name={T.states.passed} value={data.passed} mark="--accept" href="/greylisting?state=passed" under={T.now} />
                        <Tile name={T.trustedClients} value={data.clients_trusted} unit={say(T.ofClients, { n: data.clients })} mark="--accent" href="/greylisting?tab=clients" under={T.now} />
                        <Tile name={T.cameBack} value={data.retried} unit={percent(data.retried, data.deferred)} mark="--accent" under={say(T.ofDeferred, { n: data.deferred })} href="/sessions?reason=greylist.retried" />
                        <Tile name={T.room} value={percent(data.entries, data.capacity)} under={<Meter value={data.entries} max={data.capacity} label={T.room} />} />
                    </div>
                )}
            </Await>
            <Tabs label={T.title} here={tab} tabs={(['entries', 'clients', 'exempt', 'settings'] as const).map(key => ({ key, text: T.tabs[key], href: key === 'entries' ? '/greylisting' : `/greylisting?tab=${key}` }))} />
            <div class="stack">
                {tab === 'clients' ? <Clients /> : tab === 'exempt' ? <Exempt may={may} /> : tab === 'settings' ? <PolicyForm policy="greylisting" /> : <><Entries may={may} /><Lookup may={may} /></>}
            </div>
        </>
    )
}

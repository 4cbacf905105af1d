// SPDX-License-Identifier: Apache-2.0
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { Icon } from '../components/icon'
import { ListTable, type Column } from '../components/table'
import { Banner, Button, Card, Empty, LinkButton, PageHead, Select, TextField, Time, VerdictChip } from '../components/ui'
import { address } from '../lib/api'
import { number, say } from '../lib/format'
import { bind } from '../lib/keys'
import { useList } from '../lib/resource'
import { setQuery, usePlace } from '../lib/router'
import type { Session, Verdict } from '../lib/types'
import { texts } from '../texts'
import { SessionPanel } from './session'

const T = texts.sessions
const FIELDS = ['sender', 'recipient', 'client', 'client_name', 'helo', 'identity', 'queue_id', 'instance', 'rule', 'reason', 'country', 'asn', 'text'] as const
const FILTERS = [...FIELDS, 'verdict', 'direction', 'policy', 'state', 'since', 'until', 'order'] as const
const LIVE_MAX = 300

/** What a person typed, as filters: `field:value`, an address of a client, or words. */
export function understand(text: string): Record<string, string> {
    const found: Record<string, string> = {}
    const words: string[] = []
    for (const word of text.trim().split(/\s+/).filter(Boolean)) {
        const cut = word.indexOf(':')
        const field = word.slice(0, cut)
        if (cut > 0 && (FILTERS as readonly string[]).includes(field) && word.length > cut + 1) found[field] = word.slice(cut + 1)
        else if (/^\d{1,3}(\.\d{1,3}){3}(\/\d+)?$/.test(word) || /^[0-9a-f]*:[0-9a-f:]+(\/\d+)?$/i.test(word)) found.client = word
        else words.push(word)
    }
    if (words.length) found.text = words.join(' ')
    return found
}

function useFilters(): Record<string, string> {
    const { query } = usePlace()
    return useMemo(() => {
        const found: Record<string, string> = {}
        for (const name of FILTERS) {
            const value = query.get(name)
            if (value) found[name] = value
        }
        return found
    }, [query])
}

const SINCE = [['', T.anyTime], ['-1h', T.lastHour], ['-24h', T.lastDay], ['-7d', T.lastWeek], ['-30d', T.lastMonth]] as const
const VERDICTS = [['', T.anyVerdict], ['accept', texts.verdictCount.accept], ['defer', texts.verdictCount.defer], ['reject', texts.verdictCount.reject]] as const
const DIRECTIONS = [['', T.anyDirection], ['inbound', texts.direction.inbound], ['outbound', texts.direction.outbound]] as const
const POLICIES = [['', T.anyPolicy], ...Object.entries(texts.policy)] as [string, string][]
const STATES = [['', T.stateRcpt], ['END-OF-MESSAGE', T.stateEnd], ['all', T.stateAll]] as const

function FilterBar({ filters }: { filters: Record<string, string> }) {
    const [text, setText] = useState('')
    const [open, setOpen] = useState(false)
    const search = (event: Event): void => {
        event.preventDefault()
        const found = understand(text)
        if (!Object.keys(found).length) return
        setQuery({ ...found, open: null }, false)
        setText('')
    }
    const pills = FILTERS.filter(name => filters[name] && !['verdict', 'direction', 'policy', 'order'].includes(name) && !(name === 'since' && SINCE.some(one => one[0] === filters.since)))
    const since = SINCE.some(one => one[0] === (filters.since ?? '')) ? [...SINCE] : [...SINCE, [filters.since ?? '', T.customTime] as const]
    const local = (value: string | undefined): string => {
        if (!value || !/^\d/.test(value)) return ''
        const date = new Date(value)
        return new Date(date.getTime() - date.getTimezoneOffset() * 60000).toISOString().slice(0, 16)
    }
    return (
        <div class="filters" role="search" aria-label={T.title}>
            <div class="line">
                <form class="search" onSubmit={search}>
                    <Icon name="search" />
                    <input class="input" data-search type="search" value={text} aria-label={T.search} placeholder={T.searchHint} onInput={event => setText(event.currentTarget.value)} />
                </form>
                <Select aria-label={T.verdict} value={filters.verdict ?? ''} options={VERDICTS} onValue={verdict => setQuery({ verdict })} />
                <Select aria-label={T.policy} value={filters.policy ?? ''} options={POLICIES} onValue={policy => setQuery({ policy })} />
                <Select aria-label={T.time} value={filters.since ?? ''} options={since} onValue={value => setQuery({ since: value, until: null })} />
                <Button icon="filter" onClick={() => setOpen(!open)} expanded={open}>{T.moreFilters}</Button>
            </div>
            {open && (
                <form class="stack tight" onSubmit={event => event.preventDefault()}>
                    <div class="grid" style={{ '--least': '180px' }}>
                        {FIELDS.map(name => (
                            <Later key={name} label={T.fields[name]} value={filters[name] ?? ''} onValue={value => setQuery({ [name]: value })} />
                        ))}
                        <div class="field">
                            <span class="label" id="filter-direction">{T.direction}</span>
                            <Select aria-label={T.direction} value={filters.direction ?? ''} options={DIRECTIONS} onValue={direction => setQuery({ direction })} />
                        </div>
                        <div class="field">
                            <span class="label">{T.state}</span>
                            <Select aria-label={T.state} value={filters.state ?? ''} options={STATES} onValue={state => setQuery({ state })} />
                        </div>
                        <TextField label={T.since} type="datetime-local" value={local(filters.since)} onValue={value => setQuery({ since: value ? new Date(value).toISOString() : null })} />
                        <TextField label={T.until} type="datetime-local" value={local(filters.until)} onValue={value => setQuery({ until: value ? new Date(value).toISOString() : null })} />
                    </div>
                </form>
            )}
            {pills.length > 0 && (
                <div class="line">
                    {pills.map(name => (
                        <span class="pill" key={name}>
                            <b>{T.fields[name as keyof typeof T.fields] ?? name}</b>
                            <span class="cut">{filters[name]}</span>
                            <button type="button" aria-label={say(T.without, { name: T.fields[name as keyof typeof T.fields] ?? name })} onClick={() => setQuery({ [name]: null })}>
                                <Icon name="cross" />
                            </button>
                        </span>
                    ))}
                    <Button kind="plain" slim onClick={() => setQuery(Object.fromEntries(FILTERS.map(name => [name, null])))}>{T.clear}</Button>
                </div>
            )}
        </div>
    )
}
/** A text field that is taken over when it is left, or with Enter. */
function Later({ label, value, onValue }: { label: string; value: string; onValue: (value: string) => void }) {
    return (
        <label class="field">
            <span class="label">{label}</span>
            <input class="input" value={value} spellcheck={false} autocomplete="off" onChange={event => onValue(event.currentTarget.value.trim())} />
        </label>
    )
}

/** Decisions as they are made; at most four redraws a second. */
function useLive(on: boolean, filters: Record<string, string>) {
    const [items, setItems] = useState<Session[]>([])
    const [paused, setPaused] = useState(false)
    const [state, setState] = useState<'open' | 'lost'>('open')
    const [dropped, setDropped] = useState(0)
    const waiting = useRef<Session[]>([])
    const held = useRef(paused)
    held.current = paused
    const key = address('/events', { ...filters, since: '', until: '', order: '' })
    useEffect(() => {
        setItems([])
        waiting.current = []
        setDropped(0)
        if (!on) return
        const source = new EventSource(key)
        source.addEventListener('session', event => {
            waiting.current.push(JSON.parse((event as MessageEvent<string>).data) as Session)
            if (waiting.current.length > LIVE_MAX) waiting.current.splice(0, waiting.current.length - LIVE_MAX)
        })
        source.addEventListener('dropped', event => setDropped(before => before + Number(JSON.parse((event as MessageEvent<string>).data)?.count ?? (event as MessageEvent<string>).data) || before))
        source.onopen = () => setState('open')
        source.onerror = () => setState('lost')
        const timer = setInterval(() => {
            if (held.current || !waiting.current.length) return
            const fresh = waiting.current.reverse()
            waiting.current = []
            setItems(before => [...fresh, ...before].slice(0, LIVE_MAX))
        }, 250)
        return () => {
            source.close()
            clearInterval(timer)
        }
    }, [on, key])
    useEffect(() => (on ? bind('p', () => setPaused(before => !before)) : undefined), [on])
    return { items, paused, setPaused, state, dropped }
}

/** Opens the panel. Enter leads into it, at once, so that the next key finds the focus there; with j and k one walks on over
    the rows while it shows each. */
function show(row: Session, byKey: boolean): void {
    setQuery({ open: row.sequence }, false)
    if (byKey) queueMicrotask(() => document.querySelector<HTMLElement>('.panel h2')?.focus())
}

function sessionColumns(order: string, live: boolean): Column<Session>[] {
    return [
        { key: 'time', title: T.time, as: 'fit', ...(live ? {} : { sort: { up: order === 'oldest', toggle: () => setQuery({ order: order === 'oldest' ? null : 'oldest' }) } }), cell: row => (
            <>
                <Time at={row.time} />
                <span class="only-narrow sub"><VerdictChip verdict={row.verdict} /></span>
            </>
        ) },
        { key: 'verdict', title: T.verdict, as: 'fit hide-narrow', cell: row => row.verdict === null
            ? <span class="chip">{T.endOfMessage}</span>
            : <><VerdictChip verdict={row.verdict} />{row.shadow.length > 0 && <> <VerdictChip verdict={(row.shadow[0]?.verdict ?? null) as Verdict | null} shadow /></>}</> },
        { key: 'from', title: T.from, as: 'max', cell: row => (
            <>
                <a class="row-link cut" style={{ display: 'block' }} href={`/sessions?open=${row.sequence}`} onClick={event => { event.preventDefault(); show(row, event.detail === 0) }}>
                    {row.sender || texts.nullSender}
                </a>
                {row.recipient && <span class="only-narrow sub cut">→ {row.recipient}</span>}
                <span class="sub cut">{row.client_address}{row.client_name && row.client_name !== 'unknown' ? ` · ${row.client_name}` : ''}</span>
            </>
        ) },
        { key: 'to', title: T.to, as: 'max2 hide-medium', cell: row => (
            <>
                <span class="cut" style={{ display: 'block' }}>{row.recipient || (row.recipients === null ? '' : say(T.recipients, { n: row.recipients }))}</span>
                {row.identity && <span class="sub cut">{say(T.as, { user: row.identity })}</span>}
            </>
        ) },
        { key: 'why', title: T.why, as: 'max2 hide-medium', cell: row => (
            <>
                <span class="cut" style={{ display: 'block' }} title={row.sentence}>{reasonText(row)}</span>
                <span class="sub cut">{row.policy && row.policy !== 'none' ? texts.policy[row.policy as keyof typeof texts.policy] ?? row.policy : ''}{row.rule ? ` · ${row.rule}` : ''}</span>
            </>
        ) },
        { key: 'way', title: T.direction, quiet: true, as: 'fit hide-wide', cell: row => <span class="soft"><Icon name={row.direction === 'outbound' ? 'outbound' : 'inbound'} label={texts.direction[row.direction]} /></span> },
    ]
}
export function reasonText(row: { reason: string; sentence: string }): string {
    return texts.reason[row.reason as keyof typeof texts.reason] ?? row.sentence
}

export default function Sessions() {
    const { query } = usePlace()
    const filters = useFilters()
    const live = query.get('live') === '1'
    const open = query.get('open')
    const list = useList<Session>('/sessions', live ? { ...filters, until: '', order: '', limit: 20 } : { ...filters, limit: 50 })
    const tail = useLive(live, filters)
    const columns = useMemo(() => sessionColumns(filters.order ?? '', live), [filters.order, live])
    const filtered = Object.keys(filters).length > 0
    const close = useCallback(() => {
        const sequence = open
        setQuery({ open: null })
        queueMicrotask(() => document.querySelector<HTMLElement>(`tr[data-row="${sequence}"]`)?.focus())
    }, [open])
    useEffect(() => {
        if (!open) return
        // With the panel open, the rows one walks over are shown in it.
        const follow = (event: FocusEvent): void => {
            const row = (event.target as Element).closest?.('tr[data-row]')
            const sequence = row?.getAttribute('data-row')
            if (row === event.target && sequence && sequence !== open) setQuery({ open: sequence })
        }
        document.addEventListener('focusin', follow)
        return () => document.removeEventListener('focusin', follow)
    }, [open])
    const exported = (format: string): string => address('/sessions/export', { ...filters, format })
    const empty = live ? (
        <Empty icon="play" title={T.liveEmpty}>{T.liveEmptyText}</Empty>
    ) : filtered ? (
        <Empty icon="search" title={T.emptyFiltered} actions={<Button onClick={() => setQuery(Object.fromEntries(FILTERS.map(name => [name, null])))}>{T.clear}</Button>}>{T.emptyFilteredText}</Empty>
    ) : (
        <Empty icon="sessions" title={T.empty}>{T.emptyText}</Empty>
    )
    // Live: what came since, above what was there.
    const seen = new Set(tail.items.map(item => item.sequence))
    const shown = live ? { ...list, items: [...tail.items, ...list.items.filter(item => !seen.has(item.sequence))], more: null } : list
    const fresh = useMemo(() => new Set(tail.items.map(item => item.sequence)), [tail.items])
    return (
        <>
            <PageHead title={T.title} text={T.text}>
                {live && <Button icon={tail.paused ? 'play' : 'pause'} onClick={() => tail.setPaused(!tail.paused)} pressed={tail.paused}>{tail.paused ? T.resume : T.pause}</Button>}
                <Button icon={live ? 'cross' : 'play'} kind={live ? '' : 'primary'} onClick={() => setQuery({ live: live ? null : '1' })}>{live ? T.liveStop : T.live}</Button>
                {!live && <LinkButton href={exported('csv')} icon="download" download>{T.csv}</LinkButton>}
            </PageHead>
            {!live && list.closed && <Banner>{T.closed}</Banner>}
            <Card body={false}>
                <FilterBar filters={filters} />
                {live && (
                    <div class="row filters soft small" style={{ paddingBlock: '8px' }} role="status">
                        <span>{tail.state === 'lost' ? T.liveLost : tail.paused ? T.livePaused : say(T.liveOn, { n: tail.items.length })}</span>
                        {tail.dropped > 0 && <span>{say(T.dropped, { n: number(tail.dropped) })}</span>}
                    </div>
                )}
                <ListTable label={T.title} list={shown} columns={columns} id={row => row.sequence} here={open} {...(live ? { fresh } : {})} empty={empty} onOpen={show} />
            </Card>
            {open && <SessionPanel key={open} sequence={open} onClose={close} />}
        </>
    )
}

// SPDX-License-Identifier: Apache-2.0
import { BarList, change, Tile, type Bar } from '../components/figures'
import { Icon, type IconName } from '../components/icon'
import { Await, Banner, Card, Country, Empty, PageHead, Segments, Skeleton, Time } from '../components/ui'
import { bytes, compact, duration, number, percent, plural, say } from '../lib/format'
import { flow, rangeOf, RANGES, type RangeKey } from '../lib/flow'
import { lazy } from '../lib/lazy'
import { go, usePlace, withQuery } from '../lib/router'
import { useResource } from '../lib/resource'
import type { Minute, Page, Status, Summary, TopItem } from '../lib/types'
import { texts } from '../texts'

const T = texts.overview
const Chart = lazy(() => import('../components/chart'), 300)

const sessions = (query: Record<string, string>): string => '/sessions?' + new URLSearchParams(query)

function Tiles({ range, items }: { range: RangeKey; items: Minute[] }) {
    const summary = useResource<Summary>('/stats/summary', { period: range }, 30)
    const course = flow(items, range)
    const since = RANGES[range].since
    const now = summary.data
    if (!now) return summary.error ? <Banner kind="bad">{summary.error.message}</Banner> : <div class="tiles">{[1, 2, 3, 4, 5].map(key => <div class="tile" key={key}><Skeleton lines={3} /></div>)}</div>
    const before = now.previous
    return (
        <div class="tiles">
            <Tile name={T.total} value={now.total} href={sessions({ since })} spark={course.total} under={change(now.total, before?.total)} mark="--accent" />
            <Tile name={texts.verdictCount.accept} value={now.accepted} unit={percent(now.accepted, now.total)} href={sessions({ since, verdict: 'accept' })} spark={course.counts.accept} mark="--accept" under={change(now.accepted, before?.accepted)} />
            <Tile name={texts.verdictCount.defer} value={now.deferred} unit={percent(now.deferred, now.total)} href={sessions({ since, verdict: 'defer' })} spark={course.counts.defer} mark="--defer" under={change(now.deferred, before?.deferred)} />
            <Tile name={texts.verdictCount.reject} value={now.rejected} unit={percent(now.rejected, now.total)} href={sessions({ since, verdict: 'reject' })} spark={course.counts.reject} mark="--reject" under={change(now.rejected, before?.rejected)} />
            <Tile name={T.clients} value={now.unique_clients} href={sessions({ since })} under={change(now.unique_clients, before?.unique_clients)} mark="--quiet"
                spark={[]} unit={say(T.outbound, { n: compact(now.outbound) })} />
        </div>
    )
}

function Flow({ range, items }: { range: RangeKey; items: Minute[] }) {
    const course = flow(items, range)
    const series = (['accept', 'defer', 'reject'] as const).map(verdict => ({ key: verdict, name: texts.verdictCount[verdict], colour: `--${verdict}`, values: course.counts[verdict] }))
    return (
        <Chart label={T.flow} times={course.times} step={course.step} series={series}
            onSelect={(from, to) => go(sessions({ since: new Date(from * 1000).toISOString(), until: new Date(to * 1000).toISOString() }))} />
    )
}

/** Which policies earn their keep. */
function Policies({ range, items }: { range: RangeKey; items: Minute[] }) {
    const found = new Map<string, { reject: number; defer: number }>()
    for (const item of items) {
        if (item.shadow || item.verdict === 'accept' || !item.policy || item.policy === 'none') continue
        const counts = found.get(item.policy) ?? { reject: 0, defer: 0 }
        counts[item.verdict] += item.count
        found.set(item.policy, counts)
    }
    const bars: Bar[] = [...found].map(([policy, counts]) => ({
        key: policy,
        label: texts.policy[policy as keyof typeof texts.policy] ?? policy,
        count: counts.reject + counts.defer,
        href: sessions({ since: RANGES[range].since, policy }),
        parts: [{ kind: 'reject', count: counts.reject }, { kind: 'defer', count: counts.defer }],
    })).sort((a, b) => b.count - a.count)
    return bars.length ? <BarList bars={bars} label={T.policies} /> : <Empty icon="policies" title={T.policiesNone}>{T.policiesNoneText}</Empty>
}

const TOPS = ['sender', 'recipient', 'client', 'country', 'asn', 'reason'] as const
type TopKey = (typeof TOPS)[number]

function topLink(by: TopKey, item: TopItem, since: string, verdict: string): string {
    const more: Record<string, string> = { since, ...(verdict ? { verdict } : {}) }
    return sessions({ ...more, [by]: by === 'sender' && !item.key ? '<>' : item.key })
}
function topLabel(by: TopKey, item: TopItem) {
    if (by === 'country') return <Country code={item.key} />
    if (by === 'sender' && !item.key) return texts.nullSender
    if (by === 'reason') return <>{texts.reason[item.key as keyof typeof texts.reason] ?? item.key}</>
    return item.label && item.label !== item.key ? <>{item.label} <span class="soft">{item.key}</span></> : item.key
}

function Top({ range, items }: { range: RangeKey; items: Minute[] }) {
    const { query } = usePlace()
    const by = TOPS.find(one => one === query.get('top')) ?? 'sender'
    const verdict = query.get('of') ?? ''
    const since = RANGES[range].since
    const total = items.reduce((sum, item) => sum + (item.shadow || (verdict && item.verdict !== verdict) ? 0 : item.count), 0)
    const top = useResource<Page<TopItem>>('/stats/top', { by, since, limit: 10, verdict }, 60)
    return (
        <Card title={T.top} body={false}
            aside={<Segments label={T.topOf} here={verdict} options={[['', T.all], ['reject', texts.verdictCount.reject], ['defer', texts.verdictCount.defer]].map(([key, text]) => ({ key: key as string, text: text as string, href: withQuery({ of: key as string }) }))} />}>
            <nav class="tabs" aria-label={T.top} style={{ margin: 0, padding: '0 16px' }}>
                {TOPS.map(one => <a key={one} href={withQuery({ top: one })} aria-current={one === by ? 'page' : undefined}>{T.tops[one]}</a>)}
            </nav>
            <Await of={top} lines={8}>
                {data => data.items.length
                    ? <BarList label={T.tops[by]} total={total} bars={data.items.map(item => ({ key: item.key, label: topLabel(by, item), count: item.count, href: topLink(by, item, since, verdict),
                        parts: [{ kind: 'accept', count: item.accepted }, { kind: 'defer', count: item.deferred }, { kind: 'reject', count: item.rejected }] }))} />
                    : <Empty icon="search" title={T.topNone}>{by === 'country' || by === 'asn' ? T.topNoneGeo : T.topNoneText}</Empty>}
            </Await>
        </Card>
    )
}

interface Check {
    name: string
    state: 'ok' | 'warn' | 'bad'
    text: string
    href?: string
}
const num = (value: unknown): number => (typeof value === 'number' ? value : Number(value ?? 0))
function checks(status: Status): Check[] {
    const alert = (start: string): 'ok' | 'warn' | 'bad' => {
        const found = status.alerts.filter(one => one.type.startsWith(start))
        return found.some(one => one.severity === 'critical') ? 'bad' : found.length ? 'warn' : 'ok'
    }
    const fullest = Object.entries(status.tables).map(([name, table]) => ({ name, share: table.entries / Math.max(1, table.capacity) })).sort((a, b) => b.share - a.share)[0]
    return [
        { name: T.healthPolicy, state: status.requests.deadline ? 'warn' : 'ok', text: plural(status.connections, T.connections) },
        { name: T.healthJournal, state: alert('journal'), text: bytes(num(status.journal.segment_bytes_total)) },
        { name: T.healthHistory, state: alert('history'), text: status.recorder.enabled === false ? T.off : T.recording },
        { name: T.healthTables, state: alert('state'), text: fullest ? say(T.fullest, { table: fullest.name, share: percent(fullest.share, 1) }) : '' },
        { name: T.healthClock, state: alert('clock'), text: say(T.offset, { time: duration(Math.abs(num(status.clock.offset_ms)) / 1000) }) },
        { name: T.healthRbl, state: alert('rbl'), text: alert('rbl') === 'ok' ? T.fine : plural(status.alerts.filter(one => one.type.startsWith('rbl')).length, T.problems), href: '/rbl' },
        { name: T.healthGeo, state: alert('geo'), text: alert('geo') === 'ok' ? T.fine : plural(status.alerts.filter(one => one.type.startsWith('geo')).length, T.problems), href: '/geo' },
    ]
}
const CHECK_ICONS: Record<Check['state'], IconName> = { ok: 'check', warn: 'warning', bad: 'ban' }
function Health() {
    const status = useResource<Status>('/status', undefined, 15)
    return (
        <Card title={T.health} body={false} foot={status.data && <span>{say(T.up, { version: status.data.version, time: duration(status.data.uptime) })}</span>}>
            <Await of={status}>
                {data => (
                    <ul class="health">
                        {checks(data).map(check => (
                            <li key={check.name}>
                                <span class={check.state}><Icon name={CHECK_ICONS[check.state]} label={T.states[check.state]} /></span>
                                {check.href ? <a href={check.href}>{check.name}</a> : <span>{check.name}</span>}
                                <span>{check.text}</span>
                            </li>
                        ))}
                    </ul>
                )}
            </Await>
        </Card>
    )
}

/** Where an alert is mended. */
const MENDED: Record<string, string> = { rbl: '/rbl', geo: '/geo', settings: '/settings?changed=1', clock: '/about', journal: '/about', history: '/about', state: '/settings?search=state.', snapshot: '/about', disk: '/settings?search=history.' }
function Attention() {
    const status = useResource<Status>('/status', undefined, 15)
    const data = status.data
    if (!data) return null
    const pending = data.settings.pending_restart
    if (!data.alerts.length && !pending.length) return null
    return (
        <Card title={T.attention} body={false}>
            <ul class="health">
                {data.alerts.map(alert => (
                    <li key={alert.type + alert.text}>
                        <span class={alert.severity === 'critical' ? 'bad' : 'warn'}><Icon name="warning" label={alert.severity === 'critical' ? T.states.bad : T.states.warn} /></span>
                        <div class="break">{alert.text}</div>
                        <span>{MENDED[alert.type.split('.')[0] ?? ''] && <a href={MENDED[alert.type.split('.')[0] ?? '']}>{T.look}</a>}</span>
                    </li>
                ))}
                {pending.length > 0 && (
                    <li>
                        <span class="warn"><Icon name="refresh" label={T.states.warn} /></span>
                        <div class="break">{plural(pending.length, T.restart)}</div>
                        <span><a href="/about">{T.look}</a></span>
                    </li>
                )}
            </ul>
        </Card>
    )
}

export default function Overview() {
    const { query } = usePlace()
    const range = rangeOf(query.get('range'))
    const { since, ask } = RANGES[range]
    const minutes = useResource<Page<Minute>>('/stats/minutes', { since, step: ask }, 30)
    const items = minutes.data?.items ?? []
    const nothing = minutes.data && !items.length
    return (
        <>
            <PageHead title={T.title}>
                <Segments label={T.range} here={range} options={(Object.keys(RANGES) as RangeKey[]).map(key => ({ key, text: T.ranges[key], href: withQuery({ range: key === '24h' ? null : key }) }))} />
            </PageHead>
            <div class="stack">
                <Attention />
                <Tiles range={range} items={items} />
                {nothing ? (
                    <Card><Empty icon="overview" title={T.nothing}>{T.nothingText}</Empty></Card>
                ) : (
                    <Card title={T.flow} body={false} aside={<span class="soft small">{T.flowHint}</span>}>
                        <Await of={minutes} lines={8}>{() => <Flow range={range} items={items} />}</Await>
                    </Card>
                )}
                <div class="split">
                    <Top range={range} items={items} />
                    <div class="stack">
                        <Card title={T.policies} body={false} foot={<a href="/policies">{T.policiesAll}</a>}>
                            <Await of={minutes}>{() => <Policies range={range} items={items} />}</Await>
                        </Card>
                        <Health />
                    </div>
                </div>
                <p class="soft small">{say(T.foot, { n: number(items.reduce((sum, item) => sum + (item.shadow ? 0 : item.count), 0)) })} <Time at={new Date().toISOString()} mode="exact" /></p>
            </div>
        </>
    )
}

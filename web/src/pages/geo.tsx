// SPDX-License-Identifier: Apache-2.0
import { useMemo, useState } from 'preact/hooks'
import { BarList } from '../components/figures'
import { Icon } from '../components/icon'
import { PolicyForm } from '../components/policyform'
import { Await, Banner, Button, Card, Chip, Country, Empty, PageHead, Segments, SelectField, Tabs, TextField, Time } from '../components/ui'
import { api } from '../lib/api'
import { bytes, country, say } from '../lib/format'
import { RANGES, rangeOf } from '../lib/flow'
import { lazy } from '../lib/lazy'
import { useResource } from '../lib/resource'
import { setQuery, usePlace, withQuery } from '../lib/router'
import { useMay } from '../lib/session'
import { act } from '../lib/toast'
import type { Page, TopItem } from '../lib/types'
import { texts } from '../texts'

const T = texts.geo
const WorldMap = lazy(() => import('../components/map'), 420)
interface Database {
    path: string
    open: boolean
    problem: string | null
    type?: string
    built?: string
    bytes?: number
}
interface Rules {
    mode: 'block' | 'allow'
    countries: string[]
    block_asns: string[]
}
interface Geo {
    country: Database
    asn: Database
    enabled: boolean
    inbound: Rules
    outbound: Rules
    lookups: number
    warnings: string[]
}
interface Place {
    ip: string
    database: boolean
    public: boolean
    country: string | null
    country_name: string | null
    continent: string | null
    asn: number | null
    as_name: string | null
    inbound: string
    outbound: string
}
type Way = 'inbound' | 'outbound'

/** All codes that a browser can name. */
const ALL = (() => {
    const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ']
    const old = new Set('AN BU CS DD DY FX HV NH NT RH SU TP UK VD YD YU ZR AC CP CQ DG EA EU EZ IC QO TA UN XA XB ZZ'.split(' '))
    return letters.flatMap(a => letters.map(b => a + b)).filter(code => !old.has(code) && country(code) !== code).sort((a, b) => country(a).localeCompare(country(b)))
})()

function useRules(geo: Geo | undefined, way: Way, reload: () => void) {
    const rules = geo?.[way]
    const put = (countries: string[]) => async (): Promise<void> => {
        await api.put('/settings/items', { [`geo.${way}.countries`]: countries })
        reload()
    }
    const set = (code: string, on: boolean): Promise<boolean> => {
        const before = rules?.countries ?? []
        const after = on ? [...before, code] : before.filter(one => one !== code)
        const block = rules?.mode === 'block'
        return act(put(after), say(on === block ? T.nowBlocked : T.nowAllowed, { country: country(code) }), put(before))
    }
    const listed = new Set(rules?.countries ?? [])
    const blocked = (code: string): boolean => (rules?.mode === 'allow' ? listed.size > 0 && !listed.has(code) : listed.has(code))
    return { set, listed, blocked }
}

function Countries({ geo, way, reload }: { geo: Geo; way: Way; reload: () => void }) {
    const { query } = usePlace()
    const range = rangeOf(query.get('range') ?? '7d')
    const admin = useMay('admin')
    const here = query.get('country') ?? ''
    const top = useResource<Page<TopItem>>('/stats/top', { by: 'country', since: RANGES[range].since, limit: 100 }, 60)
    const { set, listed, blocked } = useRules(geo, way, reload)
    const counts = useMemo(() => new Map((top.data?.items ?? []).map(item => [item.key, item.count])), [top.data])
    const marked = useMemo(() => new Set(geo[way].mode === 'allow' ? ALL.filter(blocked) : [...listed]), [geo, way])
    const chosen = top.data?.items.find(item => item.key === here)
    const pick = (code: string): void => setQuery({ country: code === here ? null : code })
    return (
        <>
            <Card title={say(T.mapTitle, { direction: texts.direction[way] })} body={false} aside={<Segments label={texts.overview.range} here={range} options={(['24h', '7d', '30d'] as const).map(key => ({ key, text: texts.overview.ranges[key], href: withQuery({ range: key === '7d' ? null : key }) }))} />}>
                <div style={{ padding: '0 16px 12px' }}>
                    <WorldMap counts={counts} blocked={marked} here={here} onPick={pick} />
                    <div class="row small soft">
                        <span class="row" style={{ gap: '6px' }}><i class="accent" style={{ width: '10px', height: '10px', borderRadius: '2px' }} />{T.seen}</span>
                        <span class="row" style={{ gap: '6px' }}><i class="reject" style={{ width: '10px', height: '10px', borderRadius: '2px', opacity: 0.7 }} />{T.blocked}</span>
                    </div>
                </div>
                {here && (
                    <div class="row filters" style={{ borderTop: '1px solid var(--line)', borderBottom: 0 }} role="status">
                        <span class="strong"><Country code={here} /></span>
                        <Chip kind={blocked(here) ? 'reject' : 'accept'} icon={blocked(here) ? 'ban' : 'check'}>{blocked(here) ? T.blocked : T.letIn}</Chip>
                        <span class="num">{say(T.counts, { all: chosen?.count ?? 0, rejected: chosen?.rejected ?? 0 })}</span>
                        {chosen && <a href={`/sessions?country=${here}&since=${RANGES[range].since}`}>{T.sessions}</a>}
                        {admin && <Button slim kind={blocked(here) ? '' : 'danger'} icon={blocked(here) ? 'check' : 'ban'} onClick={() => void set(here, !listed.has(here))}>{blocked(here) ? T.allow : T.block}</Button>}
                    </div>
                )}
            </Card>
            <div class="grid">
                <div class="stack"><Card title={geo[way].mode === 'allow' ? T.allowedOnly : T.blockedCountries} text={geo[way].mode === 'allow' ? T.allowedOnlyText : T.blockedText}>
                    <div class="stack">
                        {listed.size ? (
                            <div class="row">
                                {[...listed].map(code => (
                                    <span class="pill" key={code}>
                                        <span><Country code={code} /></span>
                                        {admin ? <button type="button" aria-label={say(T.take, { country: country(code) })} onClick={() => void set(code, false)}><Icon name="cross" /></button> : <span style={{ width: '10px' }} />}
                                    </span>
                                ))}
                            </div>
                        ) : <p class="soft">{T.noCountries}</p>}
                        {admin && <SelectField label={T.add} value="" options={[['', T.choose] as const, ...ALL.filter(code => !listed.has(code)).map(code => [code, `${country(code)} (${code})`] as const)]} onValue={code => { if (code) void set(code, true) }} />}
                        {geo[way].block_asns.length > 0 && <p class="small soft">{say(T.asns, { list: geo[way].block_asns.join(', ') })}</p>}
                    </div>
                </Card>
                <Lookup />
                </div>
                <div class="stack"><Card title={T.where} body={false}>
                    <Await of={top} lines={6}>
                        {data => data.items.length ? <BarList label={T.where} bars={data.items.slice(0, 12).map(item => ({ key: item.key, label: <Country code={item.key} />, count: item.count, href: withQuery({ country: item.key }),
                            parts: [{ kind: 'accept', count: item.accepted }, { kind: 'defer', count: item.deferred }, { kind: 'reject', count: item.rejected }] }))} />
                            : <Empty icon="geo" title={texts.overview.topNone}>{texts.overview.topNoneGeo}</Empty>}
                    </Await>
                </Card>
                <Databases geo={geo} />
                </div>
            </div>
        </>
    )
}

function Lookup() {
    const { query } = usePlace()
    const ip = query.get('ip') ?? ''
    const [text, setText] = useState(ip)
    const found = useResource<Place>(ip ? `/geo/${encodeURIComponent(ip)}` : null)
    return (
        <Card title={T.lookup}>
            <form class="stack" onSubmit={event => { event.preventDefault(); setQuery({ ip: text.trim() }) }}>
                <TextField label={texts.sessions.fields.client} value={text} onValue={setText} mono required placeholder="9.9.9.9" />
                <div><Button type="submit" disabled={!text.trim()}>{T.lookupSubmit}</Button></div>
                {found.error && <Banner kind="bad">{found.error.message}</Banner>}
                {found.data && (
                    <dl class="facts" role="status">
                        <dt>{T.country}</dt><dd>{found.data.country ? <Country code={found.data.country} /> : found.data.public ? T.unknown : T.private}</dd>
                        <dt>{T.operator}</dt><dd>{found.data.asn ? `AS${found.data.asn} ${found.data.as_name ?? ''}` : T.unknown}</dd>
                        <dt>{texts.direction.inbound}</dt><dd>{found.data.inbound}</dd>
                        <dt>{texts.direction.outbound}</dt><dd>{found.data.outbound}</dd>
                        <dt>{texts.sessions.title}</dt><dd><a href={`/sessions?client=${found.data.ip}`}>{T.sessions}</a></dd>
                    </dl>
                )}
            </form>
        </Card>
    )
}

function Databases({ geo }: { geo: Geo }) {
    const rows = ([['country', T.countryDb], ['asn', T.asnDb]] as const).map(([key, name]) => ({ name, ...geo[key] }))
    return (
        <Card title={T.databases} body={false} foot={say(T.lookups, { n: geo.lookups })}>
            <ul class="health">
                {rows.map(row => (
                    <li key={row.name}>
                        <span class={row.open ? 'ok' : 'warn'}><Icon name={row.open ? 'check' : 'warning'} label={row.open ? T.open : T.missing} /></span>
                        <span>{row.name}<span class="small soft break" style={{ display: 'block' }}>{row.problem ?? row.path}</span></span>
                        <span>{row.open ? <>{row.built && <Time at={row.built} mode="relative" />}<br />{bytes(row.bytes ?? 0)}</> : T.missing}</span>
                    </li>
                ))}
            </ul>
        </Card>
    )
}

export default function GeoPage() {
    const { query } = usePlace()
    const tab = query.get('tab') ?? 'inbound'
    const geo = useResource<Geo>('/geo', undefined, 30)
    return (
        <>
            <PageHead title={T.title} text={T.text} />
            <Tabs label={T.title} here={tab} tabs={[{ key: 'inbound', text: texts.direction.inbound, href: '/geo' }, { key: 'outbound', text: texts.direction.outbound, href: '/geo?tab=outbound' }, { key: 'settings', text: texts.nav.settings, href: '/geo?tab=settings' }]} />
            {tab === 'settings' ? <PolicyForm policy="geo" /> : (
                <Await of={geo}>
                    {data => (
                        <div class="stack">
                            {!data.country.open && <Banner>{T.noDatabase} <code>seczim geo update</code></Banner>}
                            {!data.enabled && <Banner kind="info" icon="about">{T.off} <a href="/policies">{texts.policies.title}</a></Banner>}
                            {data.warnings.map(text => <Banner key={text}>{text}</Banner>)}
                            <Countries key={tab} geo={data} way={tab === 'outbound' ? 'outbound' : 'inbound'} reload={geo.reload} />
                        </div>
                    )}
                </Await>
            )}
        </>
    )
}

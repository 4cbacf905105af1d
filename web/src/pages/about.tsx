// SPDX-License-Identifier: Apache-2.0
import { confirm } from '../components/dialog'
import { Table } from '../components/table'
import { Await, Banner, Button, Card, Chip, Meter, PageHead, Time } from '../components/ui'
import { api } from '../lib/api'
import { bytes, duration, number, percent, plural } from '../lib/format'
import { useResource } from '../lib/resource'
import { useMay } from '../lib/session'
import { act, toast } from '../lib/toast'
import type { Status } from '../lib/types'
import { texts } from '../texts'

const T = texts.about
/** Any value of the status, by what its name says of it. */
function value(name: string, of: unknown) {
    if (of === null || of === undefined || of === '') return <span class="soft">–</span>
    if (typeof of === 'boolean') return of ? texts.yes : texts.no
    if (typeof of === 'number') {
        if (/bytes/.test(name)) return bytes(of)
        if (/_ms$/.test(name)) return duration(Math.abs(of) / 1000)
        return number(of)
    }
    if (typeof of === 'string' && /^\d{4}-\d\d-\d\dT/.test(of)) return <Time at={of} mode="exact" />
    return <span class="break">{String(of)}</span>
}
const nameOf = (name: string): string => (name.charAt(0).toUpperCase() + name.slice(1)).replaceAll('_', ' ').replace(/ ms$/, '').replace(/ bytes$/, ' size')
function Facts({ of }: { of: Record<string, unknown> }) {
    return <dl class="facts">{Object.entries(of).map(([name, one]) => [<dt key={name}>{nameOf(name)}</dt>, <dd key={name + 'd'} class="num">{value(name, one)}</dd>])}</dl>
}

export default function About() {
    const status = useResource<Status>('/status', undefined, 10)
    const admin = useMay('admin')
    return (
        <>
            <PageHead title={T.title} text={T.text}>
                {admin && <Button icon="refresh" onClick={() => void act(() => api.post('/reload'), T.reloaded)}>{T.reload}</Button>}
                {admin && <Button icon="download" onClick={() => void act(() => api.post('/snapshot'), T.snapshotTaken).then(status.reload)}>{T.snapshot}</Button>}
                {admin && <Button kind="danger" icon="refresh" onClick={() => confirm({ title: T.restartTitle, text: T.restartText, submit: T.restart, kind: 'primary', does: async () => { await api.post('/restart'); toast(T.restarting) } })}>{T.restart}</Button>}
            </PageHead>
            <Await of={status} lines={12}>
                {data => (
                    <div class="stack">
                        {data.settings.pending_restart.length > 0 && <Banner kind="info" icon="refresh">{plural(data.settings.pending_restart.length, texts.overview.restart)}: {data.settings.pending_restart.join(', ')}</Banner>}
                        {data.clock.stepped && <Banner>{data.alerts.find(alert => alert.type === 'clock.stepped')?.text} {admin && <Button slim onClick={() => confirm({ title: T.acceptTitle, text: T.acceptText, submit: T.accept, kind: 'primary', does: async () => { await api.post('/clock/accept'); status.reload() } })}>{T.accept}</Button>}</Banner>}
                        <div class="grid fill">
                            <Card title="SecZim">
                                <dl class="facts">
                                    <dt>{T.version}</dt><dd>{data.version}</dd>
                                    <dt>{T.up}</dt><dd>{duration(data.uptime)}, {T.since} <Time at={data.started} mode="exact" /></dd>
                                    <dt>{T.listens}</dt><dd>{data.listen.map(place => <div class="mono" key={place}>{place}</div>)}</dd>
                                    <dt>{T.settingsVersion}</dt><dd><a href="/logs?tab=changes">{data.settings.version}</a></dd>
                                    <dt>{T.licences}</dt><dd><a href="/licences.txt" target="_blank" rel="noopener">licences.txt</a></dd>
                                    <dt>API</dt><dd><a href="/api/v1/openapi.json" target="_blank" rel="noopener">openapi.json</a></dd>
                                </dl>
                            </Card>
                            <Card title={T.requests}><Facts of={data.requests} /></Card>
                            <Card title={T.clock}><Facts of={data.clock} /></Card>
                            <Card title={T.journal}><Facts of={data.journal} /></Card>
                            <Card title={T.recorder}><Facts of={data.recorder} /></Card>
                            <Card title={T.snapshots}><Facts of={data.snapshot} /></Card>
                        </div>
                        <Card title={T.tables} text={T.tablesText} body={false}>
                            <Table label={T.tables} id={row => row[0]} rows={Object.entries(data.tables)} columns={[
                                { key: 'name', title: T.table, cell: ([name]) => nameOf(name) },
                                { key: 'use', title: T.use, cell: ([name, table]) => <span class="row" style={{ flexWrap: 'nowrap' }}><span style={{ flex: 1, minWidth: '60px' }}><Meter value={table.entries} max={table.capacity} kind={table.entries > 0.9 * table.capacity ? 'reject' : 'accent'} label={`${nameOf(name)}: ${percent(table.entries, table.capacity)}`} /></span><span class="num soft end" style={{ minWidth: '6ch' }}>{percent(table.entries, table.capacity)}</span></span> },
                                { key: 'entries', title: T.entries, as: 'end hide-narrow', cell: ([, table]) => number(table.entries) },
                                { key: 'capacity', title: T.capacity, as: 'end hide-medium', cell: ([, table]) => number(table.capacity) },
                                { key: 'evicted', title: T.evicted, as: 'end hide-medium', cell: ([, table]) => table.evicted ? <Chip kind="defer">{number(table.evicted)}</Chip> : '0' },
                                { key: 'bytes', title: T.memory, as: 'end hide-wide nowrap', cell: ([, table]) => bytes(table.bytes) },
                            ]} />
                        </Card>
                    </div>
                )}
            </Await>
        </>
    )
}

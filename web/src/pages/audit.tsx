// SPDX-License-Identifier: Apache-2.0
import { useState } from 'preact/hooks'
import { Dialog } from '../components/dialog'
import { ListTable, type Column } from '../components/table'
import { Banner, Button, Card, Chip, Empty, PageHead, Select, Time } from '../components/ui'
import { useList } from '../lib/resource'
import { setQuery, usePlace } from '../lib/router'
import { me } from '../lib/session'
import { useStore } from '../lib/store'
import { texts } from '../texts'

const T = texts.audit
interface Entry {
    id: number | string
    time: string
    user: string
    via: string
    address: string
    action: string
    method: string
    path: string
    status: number | null
    before: unknown
    after: unknown
    request_id: string
}
const pretty = (value: unknown): string => {
    if (value === null || value === undefined || value === '') return texts.settings.empty
    try {
        return JSON.stringify(typeof value === 'string' ? JSON.parse(value) : value, null, 2)
    } catch {
        return String(value)
    }
}
/** "createListEntry" and "post_lists_allow": words. */
const words = (action: string): string => {
    const text = action.replaceAll('_', ' ').replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase()
    return text.charAt(0).toUpperCase() + text.slice(1)
}

export default function Audit() {
    const { query } = usePlace()
    const who = useStore(me)
    const user = query.get('user') ?? ''
    const since = query.get('since') ?? ''
    const list = useList<Entry>('/audit', { user, action: query.get('action') ?? '', since, limit: 50 })
    const [open, setOpen] = useState<Entry | null>(null)
    if (who && who.role !== 'admin') return <Banner kind="info" icon="about">{texts.users.adminsOnly}</Banner>
    const columns: Column<Entry>[] = [
        { key: 'time', title: texts.sessions.time, as: 'fit', cell: row => <Time at={row.time} /> },
        { key: 'user', title: T.who, as: 'fit', cell: row => <><button type="button" class="link" onClick={() => setQuery({ user: row.user })}>{row.user || '–'}</button><span class="sub hide-narrow">{row.address} · {T.via[row.via as 'session'] ?? row.via}</span></> },
        { key: 'action', title: T.what, cell: row => <>{words(row.action)}<span class="sub mono break">{row.method} {row.path}</span></> },
        { key: 'status', title: T.outcome, as: 'fit hide-narrow', cell: row => row.status === null ? <Chip kind="defer" icon="warning">{T.cutOff}</Chip> : row.status < 400 ? <Chip kind="accept" icon="check">{T.done}</Chip> : <Chip kind="reject" icon="ban">{`${T.refused} (${row.status})`}</Chip> },
        { key: 'acts', title: T.details, quiet: true, as: 'acts', cell: row => <Button slim onClick={() => setOpen(row)}>{T.details}</Button> },
    ]
    return (
        <>
            <PageHead title={T.title} text={T.text} />
            <Card body={false}>
                <div class="filters" role="search" aria-label={T.title}>
                    <div class="line">
                        <div class="search"><input class="input" style={{ paddingLeft: '10px' }} data-search aria-label={T.who} placeholder={T.who} value={user} onChange={event => setQuery({ user: event.currentTarget.value.trim() })} /></div>
                        <Select aria-label={texts.overview.range} value={since} onValue={value => setQuery({ since: value })} options={[['', texts.sessions.anyTime], ['-24h', texts.sessions.lastDay], ['-7d', texts.sessions.lastWeek], ['-30d', texts.sessions.lastMonth]]} />
                    </div>
                </div>
                <ListTable label={T.title} list={list} columns={columns} id={row => String(row.id)} onOpen={setOpen} empty={<Empty icon="audit" title={T.none}>{T.noneText}</Empty>} />
            </Card>
            {open && (
                <Dialog wide title={words(open.action)} onClose={() => setOpen(null)}>
                    <dl class="facts">
                        <dt>{texts.sessions.time}</dt><dd><Time at={open.time} mode="exact" /></dd>
                        <dt>{T.who}</dt><dd>{open.user} · {T.via[open.via as 'session'] ?? open.via} · {open.address}</dd>
                        <dt>{T.request}</dt><dd class="mono">{open.method} {open.path}</dd>
                        <dt>{T.requestId}</dt><dd class="mono">{open.request_id}</dd>
                    </dl>
                    <div class="grid">
                        <section class="section"><h3>{T.before}</h3><pre class="quote" style={{ margin: 0 }} tabIndex={0}>{pretty(open.before)}</pre></section>
                        <section class="section"><h3>{T.after}</h3><pre class="quote" style={{ margin: 0 }} tabIndex={0}>{pretty(open.after)}</pre></section>
                    </div>
                </Dialog>
            )}
        </>
    )
}

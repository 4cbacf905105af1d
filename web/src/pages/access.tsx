// SPDX-License-Identifier: Apache-2.0
// Who is always let in and who never: four lists, a tester, import and export.
import { useState } from 'preact/hooks'
import { Dialog } from '../components/dialog'
import { EntryDialog } from '../components/entry'
import { Icon } from '../components/icon'
import { ListTable, type Column } from '../components/table'
import { Banner, Button, Card, Chip, Empty, LinkButton, Mono, PageHead, SelectField, Tabs, TextField, Time } from '../components/ui'
import { address, api } from '../lib/api'
import { plural, say } from '../lib/format'
import { removeEntry } from '../lib/lists'
import { useList, useResource, type List } from '../lib/resource'
import { setQuery, usePlace } from '../lib/router'
import { useMay } from '../lib/session'
import { toast } from '../lib/toast'
import type { ListEntry, ListName, Status } from '../lib/types'
import { texts } from '../texts'

const T = texts.access
export const LISTS: ListName[] = ['allow', 'block', 'greylist_exempt', 'reputation_allow']

export function EntryTable({ name, list, may, empty }: { name: ListName; list: List<ListEntry>; may: boolean; empty: preact.ComponentChildren }) {
    const both = name === 'allow' || name === 'block'
    const columns: Column<ListEntry>[] = [
        { key: 'pattern', title: T.pattern, cell: row => (
            <>
                <Mono text={row.pattern} />
                <span class="sub">{T.types[row.type as 'ip'] ?? row.type}{both && ` · ${texts.direction[row.direction as 'both'] ?? row.direction}`}{row.require && ` · ${say(T.requires, { proof: T.proofs[row.require as 'spf'] ?? row.require })}`}</span>
            </>
        ) },
        { key: 'comment', title: texts.lists.comment, as: 'hide-medium', cell: row => <span class="break">{row.comment}</span> },
        { key: 'expires', title: T.expires, as: 'fit hide-narrow', cell: row => row.expires ? <Chip kind="defer" icon="clock"><Time at={row.expires} mode="relative" /></Chip> : <span class="soft">{texts.lists.never}</span> },
        { key: 'created', title: T.created, as: 'fit hide-medium', cell: row => <><Time at={row.created} /><span class="sub">{say(T.by, { author: row.author })}</span></> },
        ...(both || name === 'greylist_exempt' ? [{ key: 'hits', title: T.hits, quiet: true, as: 'fit hide-wide', cell: (row: ListEntry) => <a href={`/sessions?rule=${encodeURIComponent(`${name}:${row.id} *`)}`}>{T.hits}</a> }] : []),
        ...(may ? [{ key: 'acts', title: texts.remove, quiet: true, as: 'acts', cell: (row: ListEntry) => <Button slim kind="plain" icon="trash" label={say(T.removeOf, { pattern: row.pattern })} onClick={() => void removeEntry(name, row, list.reload)} /> }] : []),
    ]
    return <ListTable label={texts.lists.names[name]} list={list} columns={columns} id={row => String(row.id)} empty={empty} />
}

type Matches = Record<ListName, ListEntry | null>
function Tester() {
    const { query } = usePlace()
    const asked = { client: query.get('client') ?? '', sender: query.get('sender') ?? '', recipient: query.get('recipient') ?? '' }
    const [form, setForm] = useState(asked)
    const any = asked.client || asked.sender || asked.recipient
    const found = useResource<Matches>(any ? '/lists/match' : null, asked)
    return (
        <Card title={T.test} text={T.testText}>
            <form class="stack" onSubmit={event => { event.preventDefault(); setQuery(form) }}>
                <div class="stack tight">
                    <TextField label={texts.sessions.fields.client} value={form.client} onValue={client => setForm({ ...form, client })} mono placeholder="192.0.2.1" />
                    <TextField label={texts.sessions.fields.sender} value={form.sender} onValue={sender => setForm({ ...form, sender })} mono placeholder="name@example.org" />
                    <TextField label={texts.sessions.fields.recipient} value={form.recipient} onValue={recipient => setForm({ ...form, recipient })} mono />
                </div>
                <div><Button type="submit" disabled={!form.client && !form.sender && !form.recipient}>{T.testSubmit}</Button></div>
                {found.error && <Banner kind="bad">{found.error.message}</Banner>}
                {found.data && (
                    <div role="status"><ul class="stack tight">
                        {LISTS.map(name => {
                            const entry = found.data?.[name]
                            return (
                                <li class="row" style={{ flexWrap: 'nowrap', gap: '8px' }} key={name}>
                                    <span class={entry ? (name === 'block' ? 'chip reject' : 'chip accept') : 'chip'}><Icon name={entry ? (name === 'block' ? 'ban' : 'check') : 'minus'} />{texts.lists.names[name]}</span>
                                    {entry ? <Mono text={entry.pattern} /> : <span class="soft small">{T.noMatch}</span>}
                                </li>
                            )
                        })}
                    </ul></div>
                )}
            </form>
        </Card>
    )
}

interface Imported {
    added: number
    changed: number
    unchanged: number
    rejected: { line: number; text: string; problem: string }[]
    rejected_count: number
    dry_run: boolean
}
const FORMATS = [['csv', T.formats.csv], ['json', T.formats.json], ['postfix', T.formats.postfix], ['postgrey', T.formats.postgrey]] as const
function ImportDialog({ name, onClose, onDone }: { name: ListName; onClose: () => void; onDone: () => void }) {
    const [text, setText] = useState('')
    const [format, setFormat] = useState('csv')
    const [tried, setTried] = useState<Imported | null>(null)
    const send = (dry: boolean): Promise<Imported> => api.post<Imported>(`/lists/${name}/import`, undefined, { raw: text, query: { format, dry_run: dry } })
    const submit = async (): Promise<void> => {
        const answer = await send(false)
        onDone()
        toast(say(T.imported, { added: answer.added, changed: answer.changed, rejected: answer.rejected_count }))
    }
    const change = (next: string): void => { setText(next); setTried(null) }
    const look = async (): Promise<void> => setTried(await send(true))
    return (
        <Dialog wide title={say(T.importTitle, { list: texts.lists.names[name] })} onClose={onClose} submit={tried ? T.importSubmit : T.importTry} disabled={!text.trim() || (!!tried && tried.added + tried.changed === 0)}
            onSubmit={async () => { if (tried) return submit(); await look(); throw new Stay() }}>
            <p class="soft">{T.importText}</p>
            <div class="grid">
                <SelectField label={T.format} value={format} onValue={next => { setFormat(next); setTried(null) }} options={FORMATS} />
                <div class="field">
                    <label for="import-file">{T.file}</label>
                    <input id="import-file" type="file" onChange={event => void event.currentTarget.files?.[0]?.text().then(change)} />
                </div>
            </div>
            <TextField label={T.lines} value={text.length > 200000 ? text.slice(0, 200000) : text} onValue={change} rows={8} mono placeholder={'newsletter@example.org\n*@example.net\n192.0.2.0/24'} />
            {tried && (
                <div class="stack tight" role="status">
                    <p class="strong">{say(T.importWould, { added: tried.added, changed: tried.changed, unchanged: tried.unchanged })}</p>
                    {tried.rejected_count > 0 && <Banner>{plural(tried.rejected_count, T.importRejected)}<ul class="reads">{tried.rejected.slice(0, 10).map(one => <li key={one.line} class="break">{say(T.line, { n: one.line })}: <code>{one.text}</code> {one.problem}</li>)}</ul></Banner>}
                </div>
            )}
        </Dialog>
    )
}
/** Keeps a dialog open without a complaint. */
class Stay extends Error {
    override toString(): string {
        return ''
    }
}

export default function Access() {
    const { query } = usePlace()
    const name = LISTS.find(one => one === query.get('list')) ?? 'allow'
    const contains = query.get('contains') ?? ''
    const list = useList<ListEntry>(`/lists/${name}`, { contains, limit: 50 })
    const status = useResource<Status>('/status', undefined, 30)
    const may = useMay('operator')
    const [open, setOpen] = useState<'' | 'add' | 'import'>('')
    const done = (): void => { list.reload(); status.reload() }
    const add = may && <Button icon="plus" kind={name === 'block' ? 'danger' : 'primary'} onClick={() => setOpen('add')}>{texts.lists.addSubmit[name]}</Button>
    return (
        <>
            <PageHead title={T.title} text={T.text[name]}>{add}</PageHead>
            <Tabs label={T.title} here={name} tabs={LISTS.map(one => ({ key: one, text: texts.lists.names[one], href: `/access?list=${one}`, count: status.data?.lists[one] }))} />
            <div class="split">
                <Card body={false}>
                    <div class="filters" role="search" aria-label={T.title}>
                        <div class="line">
                            <div class="search">
                                <Icon name="search" />
                                <input class="input" data-search type="search" aria-label={T.contains} placeholder={T.contains} value={contains} onInput={event => setQuery({ contains: event.currentTarget.value })} />
                            </div>
                            {may && <Button icon="upload" onClick={() => setOpen('import')}>{T.import}</Button>}
                            <LinkButton icon="download" download href={address(`/lists/${name}/export`, { format: 'csv' })}>{T.export}</LinkButton>
                        </div>
                    </div>
                    <EntryTable name={name} list={list} may={may}
                        empty={<Empty icon="access" title={contains ? T.nothing : T.empty[name]} actions={contains ? undefined : add || undefined}>{contains ? '' : T.emptyText[name]}</Empty>} />
                </Card>
                <Tester key={query.toString()} />
            </div>
            {open === 'add' && <EntryDialog list={name} onClose={() => setOpen('')} onDone={done} />}
            {open === 'import' && <ImportDialog name={name} onClose={() => setOpen('')} onDone={done} />}
        </>
    )
}

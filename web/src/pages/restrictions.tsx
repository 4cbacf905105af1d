// SPDX-License-Identifier: Apache-2.0
// Whom local senders may write to, and under which addresses users may send.
import { useState } from 'preact/hooks'
import { Dialog } from '../components/dialog'
import { EXPIRES } from '../components/entry'
import { Icon } from '../components/icon'
import { PolicyForm } from '../components/policyform'
import { ListTable, type Column } from '../components/table'
import { Banner, Button, Card, Chip, Empty, Mono, PageHead, SelectField, Switch, Tabs, TextField, Time, VerdictChip } from '../components/ui'
import { api, Problem } from '../lib/api'
import { say } from '../lib/format'
import { useList } from '../lib/resource'
import { setQuery, usePlace } from '../lib/router'
import { useMay } from '../lib/session'
import { act } from '../lib/toast'
import type { Explanation } from '../lib/types'
import { texts } from '../texts'

const T = texts.restrictions
interface Rule {
    id: number
    sender?: string
    recipients?: string[]
    text?: string
    user?: string
    senders?: string[]
    comment: string
    expires: string | null
    author: string
    created: string
}
type Kind = 'restrictions' | 'identities'
const subjectOf = (rule: Rule): string => rule.sender ?? rule.user ?? ''
const linesOf = (rule: Rule): string[] => rule.recipients ?? rule.senders ?? []
const bodyOf = (kind: Kind, rule: Rule): Record<string, unknown> => ({
    ...(kind === 'restrictions' ? { sender: rule.sender, recipients: rule.recipients, text: rule.text ?? '' } : { user: rule.user, senders: rule.senders }), comment: rule.comment, ...(rule.expires ? { expires: rule.expires } : {}),
})

function RuleDialog({ kind, rule, stop, onClose, onDone }: { kind: Kind; rule: Rule | null; stop?: boolean; onClose: () => void; onDone: () => void }) {
    const [subject, setSubject] = useState(rule ? subjectOf(rule) : '')
    const [lines, setLines] = useState(rule ? linesOf(rule).join('\n') : '')
    const [nothing, setNothing] = useState(!!stop || (!!rule && kind === 'restrictions' && !linesOf(rule).length))
    const [text, setText] = useState(rule?.text ?? '')
    const [comment, setComment] = useState(rule?.comment ?? '')
    const [expires, setExpires] = useState('')
    const send = async (): Promise<void> => {
        const list = nothing ? [] : lines.split('\n').map(line => line.trim()).filter(Boolean)
        const body = { ...(kind === 'restrictions' ? { sender: subject.trim(), recipients: list, text } : { user: subject.trim(), senders: list }), comment, ...(expires ? { expires: Number(expires) } : {}) }
        const made = rule ? await api.put<Rule>(`/${kind}/${rule.id}`, body) : await api.post<Rule>(`/${kind}`, body)
        void act(async () => {}, say(nothing ? T.stopped : T.saved, { name: subject }), async () => {
            if (rule) await api.put(`/${kind}/${rule.id}`, bodyOf(kind, rule))
            else await api.remove(`/${kind}/${made.id}`)
            onDone()
        })
        onDone()
    }
    const title = kind === 'identities' ? T.identityTitle : stop ? T.stopTitle : T.ruleTitle
    return (
        <Dialog title={title} submit={stop ? T.stop : texts.save} kind={stop ? 'danger' : 'primary'} onClose={onClose} onSubmit={send} disabled={!subject.trim() || (!nothing && !lines.trim())}>
            <TextField label={kind === 'identities' ? T.user : T.sender} name={kind === 'identities' ? 'user' : 'sender'} value={subject} onValue={setSubject} mono required focus hint={kind === 'identities' ? T.userHint : T.senderHint} />
            {kind === 'restrictions' && <Switch checked={nothing} onChange={setNothing} label={T.nothingAtAll} />}
            {!nothing && <TextField label={kind === 'identities' ? T.senders : T.recipients} name={kind === 'identities' ? 'senders' : 'recipients'} value={lines} onValue={setLines} rows={5} mono hint={T.linesHint} placeholder={'name@example.org\n*@example.net'} />}
            {kind === 'restrictions' && <TextField label={T.reply} name="text" value={text} onValue={setText} hint={T.replyHint} />}
            <div class="grid" style={{ '--least': '200px' }}>
                <SelectField label={texts.lists.expires} name="expires" value={expires} onValue={setExpires} options={EXPIRES} />
                <TextField label={texts.lists.comment} name="comment" value={comment} onValue={setComment} />
            </div>
        </Dialog>
    )
}

function Tester() {
    const { query } = usePlace()
    const [sender, setSender] = useState(query.get('sender') ?? '')
    const [recipient, setRecipient] = useState('')
    const [found, setFound] = useState<Explanation | null>(null)
    const [problem, setProblem] = useState('')
    const send = async (event: Event): Promise<void> => {
        event.preventDefault()
        setProblem('')
        try {
            setFound(await api.post<Explanation>('/explain', { client_address: '127.0.0.1', sender, recipient, sasl_username: sender }))
        } catch (error) {
            setFound(null)
            setProblem(error instanceof Problem ? error.message : String(error))
        }
    }
    const step = found?.steps.find(one => one.policy === 'sender_restrictions')
    return (
        <Card title={T.test} text={T.testText}>
            <form class="stack" onSubmit={event => void send(event)}>
                <TextField label={T.sender} value={sender} onValue={setSender} mono required />
                <TextField label={texts.sessions.fields.recipient} value={recipient} onValue={setRecipient} mono required />
                <div><Button type="submit">{T.testSubmit}</Button></div>
                {problem && <Banner kind="bad">{problem}</Banner>}
                {found && (
                    <div role="status" class="stack tight">
                        <div class="row"><VerdictChip verdict={found.verdict} /><span>{found.sentence}</span></div>
                        {step?.read.map((read, at) => <p class="small soft" key={at}>{read.what}: {read.text}</p>)}
                    </div>
                )}
            </form>
        </Card>
    )
}

export default function Restrictions() {
    const { query } = usePlace()
    const tab = query.get('tab') ?? 'restrictions'
    const kind: Kind = tab === 'identities' ? 'identities' : 'restrictions'
    const operator = useMay('operator')
    const admin = useMay('admin')
    const may = kind === 'identities' ? admin : operator
    const contains = query.get('contains') ?? ''
    const list = useList<Rule>(`/${kind}`, { contains, limit: 50 })
    const [open, setOpen] = useState<Rule | 'new' | 'stop' | null>(null)
    const remove = async (rule: Rule): Promise<void> => {
        await act(() => api.remove(`/${kind}/${rule.id}`), say(T.removed, { name: subjectOf(rule) }), async () => { await api.post(`/${kind}`, bodyOf(kind, rule)); list.reload() })
        list.reload()
    }
    const columns: Column<Rule>[] = [
        { key: 'who', title: kind === 'identities' ? T.user : T.sender, cell: row => <><Mono text={subjectOf(row)} />{row.comment && <span class="sub">{row.comment}</span>}</> },
        { key: 'what', title: kind === 'identities' ? T.senders : T.recipients, cell: row => linesOf(row).length
            ? <><Mono text={linesOf(row).slice(0, 3).join(', ')} />{linesOf(row).length > 3 && <span class="soft"> {say(T.more, { n: linesOf(row).length - 3 })}</span>}{row.text && <span class="sub">“{row.text}”</span>}</>
            : <Chip kind="reject" icon="ban">{T.nothing}</Chip> },
        { key: 'expires', title: texts.access.expires, as: 'fit hide-medium', cell: row => row.expires ? <Chip kind="defer" icon="clock"><Time at={row.expires} mode="relative" /></Chip> : <span class="soft">{texts.lists.never}</span> },
        { key: 'created', title: texts.access.created, as: 'fit hide-wide', cell: row => <><Time at={row.created} /><span class="sub">{say(texts.access.by, { author: row.author })}</span></> },
        { key: 'hits', title: texts.access.hits, quiet: true, as: 'fit hide-narrow', cell: row => <a href={`/sessions?rule=${encodeURIComponent(`${kind === 'identities' ? 'identity' : 'restriction'}:${row.id} *`)}`}>{texts.access.hits}</a> },
        ...(may ? [{ key: 'acts', title: texts.edit, quiet: true, as: 'acts', cell: (row: Rule) => <span class="nowrap"><Button slim kind="plain" icon="edit" label={`${texts.edit}: ${subjectOf(row)}`} onClick={() => setOpen(row)} /><Button slim kind="plain" icon="trash" label={`${texts.remove}: ${subjectOf(row)}`} onClick={() => void remove(row)} /></span> }] : []),
    ]
    const add = may && <Button kind="primary" icon="plus" onClick={() => setOpen('new')}>{kind === 'identities' ? T.addIdentity : T.add}</Button>
    return (
        <>
            <PageHead title={T.title} text={kind === 'identities' ? T.identityText : T.text}>
                {operator && kind === 'restrictions' && tab !== 'settings' && <Button kind="danger" icon="ban" onClick={() => setOpen('stop')}>{T.stop}</Button>}
                {tab !== 'settings' && add}
            </PageHead>
            <Tabs label={T.title} here={tab} tabs={[{ key: 'restrictions', text: T.rules, href: '/restrictions' }, { key: 'identities', text: T.identities, href: '/restrictions?tab=identities' }, { key: 'settings', text: texts.nav.settings, href: '/restrictions?tab=settings' }]} />
            {tab === 'settings' ? <div class="stack"><PolicyForm policy="sender_restrictions" /><PolicyForm policy="sender_identity" /></div> : (
                <div class="split">
                    <Card body={false}>
                        <div class="filters"><div class="search"><Icon name="search" /><input class="input" data-search type="search" aria-label={texts.access.contains} placeholder={texts.access.contains} value={contains} onInput={event => setQuery({ contains: event.currentTarget.value })} /></div></div>
                        <ListTable label={T.title} list={list} columns={columns} id={row => String(row.id)}
                            empty={<Empty icon="restrictions" title={contains ? texts.access.nothing : kind === 'identities' ? T.identityNone : T.none} actions={contains ? undefined : add}>{contains ? '' : kind === 'identities' ? T.identityNoneText : T.noneText}</Empty>} />
                    </Card>
                    <Tester />
                </div>
            )}
            {open && <RuleDialog kind={kind} rule={typeof open === 'string' ? null : open} stop={open === 'stop'} onClose={() => setOpen(null)} onDone={list.reload} />}
        </>
    )
}

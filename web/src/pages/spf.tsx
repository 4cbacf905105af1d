// SPDX-License-Identifier: Apache-2.0
// What a sender's domain says of a client: the whole evaluation, step by step; and the policy's settings.
import { useState } from 'preact/hooks'
import { PolicyForm } from '../components/policyform'
import { Await, Button, Card, Chip, Empty, PageHead, Tabs, TextField } from '../components/ui'
import { say } from '../lib/format'
import { useResource } from '../lib/resource'
import { setQuery, usePlace } from '../lib/router'
import { texts } from '../texts'

const T = texts.spf
interface Evaluation {
    result: 'pass' | 'fail' | 'softfail' | 'neutral' | 'none' | 'permerror' | 'temperror'
    domain: string
    mechanism: string | null
    lookups: number
    lookups_max: number
    void_lookups: number
    void_lookups_max: number
    explanation: string | null
    problem: string | null
    received_spf: string | null
    steps: { depth: number; text: string }[]
    helo?: Evaluation
}
const KINDS = { pass: 'accept', fail: 'reject', softfail: 'defer', neutral: '', none: '', permerror: 'reject', temperror: 'defer' } as const

function Shown({ of, title }: { of: Evaluation; title: string }) {
    return (
        <section class="section">
            <h3>{title}</h3>
            <div class="row"><Chip kind={KINDS[of.result]} icon={of.result === 'pass' ? 'check' : of.result === 'fail' ? 'ban' : 'minus'}>{T.results[of.result] ?? of.result}</Chip><span class="mono break">{of.domain}</span>{of.mechanism && <code>{of.mechanism}</code>}</div>
            {(of.problem || of.explanation) && <p class="break">{of.problem ?? of.explanation}</p>}
            <p class="small soft">{say(T.lookups, { n: of.lookups, max: of.lookups_max, empty: of.void_lookups })}</p>
            {of.steps.length > 0 && <ol class="quote" aria-label={T.steps}>{of.steps.map((step, at) => <li key={at} style={{ paddingLeft: `${Math.min(step.depth, 8) * 16}px` }}>{step.text}</li>)}</ol>}
        </section>
    )
}

function Check() {
    const { query } = usePlace()
    const asked = { client: query.get('client') ?? '', sender: query.get('sender') ?? '', helo: query.get('helo') ?? '' }
    const [form, setForm] = useState(asked)
    const ready = asked.client && (asked.sender || asked.helo)
    const found = useResource<Evaluation>(ready ? '/spf' : null, asked)
    return (
        <div class="split asks">
            <Card title={T.check} text={T.checkText}>
                <form class="fields" onSubmit={event => { event.preventDefault(); setQuery(form) }}>
                    <TextField label={texts.sessions.fields.client} value={form.client} onValue={client => setForm({ ...form, client })} mono required placeholder="192.0.2.1" />
                    <TextField label={texts.sessions.fields.sender} value={form.sender} onValue={sender => setForm({ ...form, sender })} mono placeholder="name@example.org" />
                    <TextField label={texts.sessions.fields.helo} value={form.helo} onValue={helo => setForm({ ...form, helo })} mono placeholder="mail.example.org" />
                    <div><Button type="submit" kind="primary" disabled={!form.client || (!form.sender && !form.helo)}>{T.submit}</Button></div>
                </form>
            </Card>
            <Card title={T.result}>{ready ? <Await of={found} lines={6}>{data => <div class="stack" role="status"><Shown of={data} title={T.ofSender} />{data.helo && <Shown of={data.helo} title={T.ofHelo} />}</div>}</Await> : <Empty icon="spf" title={T.nothing}>{T.nothingText}</Empty>}</Card>
        </div>
    )
}

export default function Spf() {
    const { query } = usePlace()
    const tab = query.get('tab') ?? 'check'
    return (
        <>
            <PageHead title={texts.nav.spf} text={texts.policyAbout.spf} />
            <Tabs label={texts.nav.spf} here={tab} tabs={[{ key: 'check', text: T.check, href: '/spf' }, { key: 'settings', text: texts.nav.settings, href: '/spf?tab=settings' }]} />
            {tab === 'settings' ? <PolicyForm policy="spf" /> : <Check />}
        </>
    )
}

// SPDX-License-Identifier: Apache-2.0
// One decision in a panel: what was answered and why, what to do about it, and the story of the message it belongs to.
import type { ComponentChildren } from 'preact'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { clientScopes, EntryDialog, senderScopes, type Suggestion } from '../components/entry'
import { Icon, type IconName } from '../components/icon'
import { Await, Banner, Button, Copy, Country, LinkButton, Skeleton, Time, VerdictChip } from '../components/ui'
import { api, Problem } from '../lib/api'
import { bytes, microseconds, say } from '../lib/format'
import { useResource } from '../lib/resource'
import { useMay } from '../lib/session'
import { removeEntry } from '../lib/lists'
import { act, complain } from '../lib/toast'
import type { ExplainStep, Explanation, ListEntry, ListName, Page, Session, Verdict } from '../lib/types'
import { texts } from '../texts'

const T = texts.session
const policyName = (policy: string): string => texts.policy[policy as keyof typeof texts.policy] ?? policy

/** Explanations are read with POST, and asked for once. */
function useExplanation(sequence: string) {
    const [state, setState] = useState<{ data?: Explanation; error?: Problem }>({})
    useEffect(() => {
        const abort = new AbortController()
        api.post<Explanation>('/explain', { sequence }, { signal: abort.signal })
            .then(data => setState({ data }), (error: unknown) => abort.signal.aborted || setState({ error: error instanceof Problem ? error : new Problem(0, String(error)) }))
        return () => abort.abort()
    }, [sequence])
    return state
}

type Fix = { list: ListName; scopes: Suggestion[] }
function Fixes({ session }: { session: Session }) {
    const may = useMay('operator')
    const [fix, setFix] = useState<Fix | null>(null)
    if (!may) return <p class="soft small">{T.fixViewer}</p>
    const { policy, sender, client_address: client, direction } = session
    // "block:1 *@example.org": the entry that decided.
    const entry = /^(allow|block|greylist_exempt|reputation_allow):(\d+) /.exec(session.rule)
    const takeOff = async (): Promise<void> => {
        try {
            const list = entry?.[1] as ListName
            await removeEntry(list, await api.get<ListEntry>(`/lists/${list}/${entry?.[2]}`))
        } catch (error) {
            complain(error)
        }
    }
    const offers: { text: string; icon: IconName; kind?: 'primary' | 'danger'; does: () => void }[] = []
    const open = (list: ListName, scopes: Suggestion[]) => () => setFix({ list, scopes })
    const refused = session.verdict !== 'accept'
    if (entry) offers.push({ text: say(T.takeOff, { pattern: session.rule.slice(entry[0].length), list: texts.lists.names[entry[1] as ListName] }), icon: 'trash', kind: 'primary', does: () => void takeOff() })
    if (refused) {
        offers.push({ text: T.allowSender, icon: 'check', kind: 'primary', does: open('allow', senderScopes(sender)) })
        offers.push({ text: T.allowClient, icon: 'check', does: open('allow', clientScopes(client)) })
    }
    if (policy === 'greylisting' && refused) offers.unshift({ text: T.exempt, icon: 'clock', kind: 'primary', does: open('greylist_exempt', [...clientScopes(client).slice(1), ...clientScopes(client).slice(0, 1), ...senderScopes(sender)]) })
    if (policy === 'auto_blacklist') offers.unshift({ text: T.release, icon: 'blacklist', kind: 'primary', does: () => void act(() => api.remove(`/blacklist/${client}`), say(T.released, { client }), () => api.post('/blacklist', { ip: client, duration: 86400, comment: T.undoComment })) })
    if (policy === 'ip_reputation' || policy === 'auto_blacklist') offers.push({ text: T.neverBlock, icon: 'reputation', does: open('reputation_allow', clientScopes(client)) })
    const links: [string, string][] = []
    if (policy === 'geo' && session.country) links.push([`/geo?country=${session.country}`, T.changeCountry])
    if (policy === 'rbl') links.push([`/rbl?tab=check&ip=${client}`, T.askLists])
    if (policy === 'spf') links.push([`/spf?${new URLSearchParams({ client, sender, helo: session.helo })}`, T.seeSpf])
    if (policy === 'quotas') links.push([`/quotas?sender=${encodeURIComponent(session.identity || sender)}`, T.changeLimit])
    if (policy === 'sender_restrictions') links.push([`/restrictions?contains=${encodeURIComponent(session.identity || sender)}`, T.changeRestriction])
    if (policy === 'sender_identity') links.push([`/restrictions?tab=identities&contains=${encodeURIComponent(session.identity)}`, T.changeIdentity])
    offers.push({ text: T.blockSender, icon: 'ban', kind: 'danger', does: open('block', senderScopes(sender)) })
    offers.push({ text: T.blockClient, icon: 'ban', kind: 'danger', does: open('block', clientScopes(client)) })
    if (offers.filter(offer => offer.kind === 'primary').length > 1) offers.filter(offer => offer.kind === 'primary').slice(1).forEach(offer => delete offer.kind)
    return (
        <>
            <div class="actions">
                {links.map(([href, text]) => <LinkButton key={href} slim icon="right" href={href}>{text}</LinkButton>)}
                {offers.map(offer => <Button key={offer.text} slim icon={offer.icon} kind={offer.kind ?? ''} onClick={offer.does}>{offer.text}</Button>)}
            </div>
            {fix && <EntryDialog list={fix.list} scopes={fix.scopes} direction={direction} onClose={() => setFix(null)} />}
        </>
    )
}

function Step({ step }: { step: ExplainStep }) {
    const word = !step.ran ? 'none' : step.mode === 'shadow' && step.verdict !== 'none' ? 'shadow' : step.verdict ?? 'none'
    const icon: Record<string, IconName> = { accept: 'check', defer: 'clock', reject: 'ban', shadow: 'eye', none: 'minus' }
    const decisive = step.ran && step.verdict !== 'none' && step.verdict !== null
    const summary = (
        <>
            <span class={decisive ? 'strong' : ''}>{policyName(step.policy)}</span>
            {step.ran ? (decisive ? <VerdictChip verdict={step.verdict} shadow={step.mode === 'shadow'} /> : <span class="soft small">{T.noObjection}</span>) : <span class="soft small">{step.mode === 'off' ? T.stepOff : T.notAsked}</span>}
        </>
    )
    return (
        <li>
            <span class={`dot ${word}`}><Icon name={icon[word] ?? 'minus'} /></span>
            {step.ran && (step.read.length > 0 || step.sentence) ? (
                <details open={decisive}>
                    <summary>{summary}</summary>
                    {step.sentence && step.reason !== 'none' && <p class="small">{step.sentence}</p>}
                    <ul class="reads">
                        {step.read.map((read, at) => <li key={at}>{read.what}: <span class={read.found ? 'strong' : ''}>{read.text}</span></li>)}
                    </ul>
                </details>
            ) : <div class="row">{summary}</div>}
        </li>
    )
}

function Story({ session }: { session: Session }) {
    const story = useResource<Page<Session>>(session.instance ? '/sessions' : null, { instance: session.instance, state: 'all', order: 'oldest', limit: 100 })
    if (!session.instance) return <p class="soft">{T.noInstance}</p>
    return (
        <Await of={story} lines={2}>
            {data => (
                <ol class="steps">
                    {data.items.map(one => (
                        <li key={one.sequence}>
                            <span class={`dot ${one.verdict ?? 'none'}`}><Icon name={one.verdict === 'accept' ? 'check' : one.verdict === 'reject' ? 'ban' : one.verdict === 'defer' ? 'clock' : 'sessions'} /></span>
                            <div class="row">
                                <Time at={one.time} />
                                {one.verdict ? <VerdictChip verdict={one.verdict} /> : <span class="chip">{texts.sessions.endOfMessage}</span>}
                                <span class="break">{one.recipient || (one.recipients === null ? '' : say(T.endText, { n: one.recipients, size: bytes(one.size) }))}</span>
                                {one.sequence === session.sequence ? <span class="soft small">{T.thisOne}</span> : <a class="small" href={`/sessions?open=${one.sequence}`}>{T.show}</a>}
                            </div>
                        </li>
                    ))}
                </ol>
            )}
        </Await>
    )
}

function Section({ title, children }: { title: string; children: ComponentChildren }) {
    return <section class="section"><h3>{title}</h3>{children}</section>
}
function Fact({ name, children }: { name: string; children: ComponentChildren }) {
    return <><dt>{name}</dt><dd>{children}</dd></>
}
const search = (field: string, value: string): string => `/sessions?${new URLSearchParams({ [field]: value })}`

function Facts({ session }: { session: Session }) {
    const F = texts.sessions.fields
    return (
        <dl class="facts">
            <Fact name={F.sender}><a href={search('sender', session.sender || '<>')}>{session.sender || texts.nullSender}</a></Fact>
            <Fact name={F.recipient}>{session.recipient ? <a href={search('recipient', session.recipient)}>{session.recipient}</a> : '–'}</Fact>
            <Fact name={F.client}>
                <a class="num" href={search('client', session.client_address)}>{session.client_address}</a>{' '}
                <span class="soft">{session.client_name}</span>{' · '}<a href={`/intelligence/reputation?ip=${session.client_address}`}>{T.reputation}</a>
            </Fact>
            {session.country && <Fact name={F.country}><a href={search('country', session.country)}><Country code={session.country} /></a>{session.asn ? <> · <a href={search('asn', `AS${session.asn}`)}>AS{session.asn}</a></> : null}</Fact>}
            <Fact name={F.helo}>{session.helo || '–'}</Fact>
            {session.identity && <Fact name={F.identity}><a href={search('identity', session.identity)}>{session.identity}</a></Fact>}
            <Fact name={texts.sessions.direction}>{texts.direction[session.direction]}</Fact>
            {session.size > 0 && <Fact name={T.size}>{bytes(session.size)}</Fact>}
            {session.queue_id && <Fact name={F.queue_id}><span class="mono">{session.queue_id}</span></Fact>}
            {session.rule && <Fact name={F.rule}><a href={search('rule', session.rule)}>{session.rule}</a></Fact>}
            <Fact name={F.reason}><a class="mono" href={search('reason', session.reason)}>{session.reason}</a></Fact>
            <Fact name={T.took}>{microseconds(session.duration_us)}</Fact>
            <Fact name={T.number}><span class="mono">{session.sequence}</span></Fact>
        </dl>
    )
}

export function SessionPanel({ sequence, onClose }: { sequence: string; onClose: () => void }) {
    const session = useResource<Session>(`/sessions/${sequence}`)
    const explained = useExplanation(sequence)
    const head = useRef<HTMLHeadingElement>(null)
    useLayoutEffect(() => {
        if (!document.activeElement?.closest('tr[data-row]')) head.current?.focus()
        const key = (event: KeyboardEvent): void => {
            if (event.key === 'Escape' && !document.querySelector('dialog[open]')) onClose()
        }
        document.addEventListener('keydown', key)
        return () => document.removeEventListener('keydown', key)
    }, [onClose])
    return (
        <aside class="panel" aria-label={T.title}>
            <header>
                <h2 ref={head} tabIndex={-1}>{T.title}{session.data && <span class="soft small" style={{ display: 'block', fontWeight: 400 }}><Time at={session.data.time} mode="exact" /></span>}</h2>
                <Copy text={location.href} label={T.copyLink} />
                <Button kind="plain" icon="cross" label={texts.close} onClick={onClose} />
            </header>
            <div class="body">
                <Await of={session} lines={10}>
                    {data => (
                        <>
                            <div class={`verdict-box ${data.verdict ?? ''}`}>
                                <div class="row"><VerdictChip verdict={data.verdict} />{data.policy && data.policy !== 'none' && <span>{say(T.by, { policy: policyName(data.policy) })}</span>}</div>
                                <div class="headline">{data.verdict === null ? say(T.endText, { n: data.recipients ?? 0, size: bytes(data.size) }) : data.sentence}</div>
                                {data.advice && <p>{data.advice}</p>}
                            </div>
                            {data.shadow.map(shadow => <Banner key={shadow.policy} kind="info" icon="eye">{say(T.shadowed, { policy: policyName(shadow.policy), verdict: texts.shadowVerdict[shadow.verdict as Verdict] ?? shadow.verdict })}</Banner>)}
                            <Section title={T.fix}><Fixes session={data} /></Section>
                            {data.reply && (
                                <Section title={T.reply}>
                                    <div class="row" style={{ flexWrap: 'nowrap', alignItems: 'flex-start' }}><div class="quote" style={{ flex: 1 }}>{data.reply}</div><Copy text={data.reply} label={T.copyReply} /></div>
                                </Section>
                            )}
                            <Section title={T.steps}>
                                {explained.error ? <p class="soft">{explained.error.message}</p> : !explained.data ? <Skeleton lines={5} /> : (
                                    <>
                                        {explained.data.same === false && <Banner>{T.different}</Banner>}
                                        <ol class="steps">{explained.data.steps.map(step => <Step key={step.policy} step={step} />)}</ol>
                                        {explained.data.effects.length > 0 && (
                                            <details>
                                                <summary class="soft">{T.effects}</summary>
                                                <ul class="reads">{explained.data.effects.map((effect, at) => <li key={at}>{effect.text || effect.what}</li>)}</ul>
                                            </details>
                                        )}
                                    </>
                                )}
                            </Section>
                            <Section title={T.story}><Story session={data} /></Section>
                            <Section title={T.facts}><Facts session={data} /></Section>
                        </>
                    )}
                </Await>
            </div>
        </aside>
    )
}

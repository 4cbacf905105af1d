// SPDX-License-Identifier: Apache-2.0
// Recorded decisions made again under a proposal: what would have come out differently.
import { useEffect, useState } from 'preact/hooks'
import { api, Problem } from '../lib/api'
import { number, percent, plural, say, when } from '../lib/format'
import type { SettingValue, Verdict } from '../lib/types'
import { texts } from '../texts'
import { Dialog } from './dialog'
import { Icon } from './icon'
import { Banner, Empty, Select, VerdictChip } from './ui'

const T = texts.replay
export interface Proposal {
    settings?: Record<string, SettingValue>
    lists?: unknown[]
    rules?: unknown[]
}
interface Sample {
    sequence: string
    time: string
    client_address: string
    sender: string
    recipient: string
}
interface Replay {
    state: 'none' | 'running' | 'done' | 'cancelled' | 'failed'
    id?: number | string
    progress: number
    decisions: number
    changed: number
    not_comparable: number
    complete?: boolean
    problem?: string
    policies?: { policy: string; changed: number; changes: { from: Verdict; to: Verdict; count: number; samples: Sample[] }[] }[]
}
const SPANS = [['1d', T.day], ['7d', T.week], ['30d', T.month]] as const

export function ReplayDialog({ proposal, onClose, onApply }: { proposal: Proposal; onClose: () => void; onApply?: () => Promise<void> }) {
    const [last, setLast] = useState('7d')
    const [replay, setReplay] = useState<Replay | null>(null)
    const [problem, setProblem] = useState<string | null>(null)
    useEffect(() => {
        let over = false
        let timer = 0
        let running = true
        const fail = (error: unknown): void => {
            running = false
            if (!over) setProblem(error instanceof Problem ? error.message : String(error))
        }
        const poll = async (): Promise<void> => {
            try {
                const now = await api.get<Replay>('/replay')
                if (over) return
                running = now.state === 'running'
                setReplay(now)
                if (now.state === 'running') timer = window.setTimeout(() => void poll(), 400)
            } catch (error) {
                fail(error)
            }
        }
        setReplay(null)
        setProblem(null)
        api.post('/replay', { ...proposal, last, samples: 3 }).then(poll, fail)
        return () => {
            over = true
            clearTimeout(timer)
            if (running) api.remove('/replay').catch(() => undefined) // It may have ended meanwhile.
        }
    }, [last])
    const done = replay && replay.state !== 'running' && replay.state !== 'none'
    const changed = (replay?.policies ?? []).filter(policy => policy.changed)
    return (
        <Dialog wide title={T.title} onClose={onClose} {...(onApply ? { submit: texts.settings.apply, onSubmit: onApply } : {})}
            extra={<div style={{ marginRight: 'auto', width: '170px' }}><Select aria-label={T.span} value={last} options={SPANS} onValue={setLast} /></div>}>
            {problem ? <Banner kind="bad">{problem}</Banner> : !done ? (
                <div class="stack tight" role="status">
                    <p>{say(T.running, { n: replay?.decisions ?? 0 })}</p>
                    <div class="progress"><i style={{ width: `${100 * (replay?.progress ?? 0)}%` }} /></div>
                </div>
            ) : (
                <>
                    {replay.problem && <Banner kind="bad">{replay.problem}</Banner>}
                    <p class="strong" role="status">
                        {replay.changed ? `${plural(replay.changed, T.changed)} ${say(T.of, { n: replay.decisions, share: percent(replay.changed, replay.decisions) })}` : say(T.same, { n: replay.decisions })}
                    </p>
                    {replay.not_comparable > 0 && <p class="soft small">{say(T.notComparable, { n: replay.not_comparable })}</p>}
                    {!replay.decisions && <Empty icon="clock" title={T.nothing}>{T.nothingText}</Empty>}
                    {changed.map(policy => (
                        <section class="section" key={policy.policy}>
                            <h3>{texts.policy[policy.policy as keyof typeof texts.policy] ?? policy.policy} · {number(policy.changed)}</h3>
                            {policy.changes.filter(change => change.count).map(change => (
                                <div class="stack tight" key={change.from + change.to}>
                                    <div class="row"><b class="num">{number(change.count)}</b> <VerdictChip verdict={change.from} /> <Icon name="right" label={T.becomes} /> <VerdictChip verdict={change.to} /></div>
                                    <ul class="reads">
                                        {change.samples.map(sample => (
                                            <li key={sample.sequence} class="break"><a href={`/sessions?open=${sample.sequence}`} target="_blank" rel="noopener">{when(sample.time)}</a> {sample.sender || texts.nullSender} → {sample.recipient} <span class="num">({sample.client_address})</span></li>
                                        ))}
                                    </ul>
                                </div>
                            ))}
                        </section>
                    ))}
                </>
            )}
        </Dialog>
    )
}

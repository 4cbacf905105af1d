// SPDX-License-Identifier: Apache-2.0
import { useRef } from 'preact/hooks'
import { SaveBar } from '../components/savebar'
import { Table, type Column } from '../components/table'
import { Button, Card, Chip, ErrorBox, PageHead, Select, Skeleton } from '../components/ui'
import { useDraft, type Changes, type Draft } from '../lib/draft'
import { compact, number } from '../lib/format'
import { useResource } from '../lib/resource'
import { go } from '../lib/router'
import { useMay } from '../lib/session'
import type { Page, Policy } from '../lib/types'
import { texts } from '../texts'

const T = texts.policies
export type Mode = 'enforce' | 'shadow' | 'off'
export const MODES = [['enforce', T.enforce], ['shadow', T.shadow], ['off', T.off]] as const
const key = (policy: string, member: string): string => `policies.${policy}.${member}`

export function modeOf(draft: Draft, policy: string): Mode {
    if (draft.value(key(policy, 'enabled')) === false) return 'off'
    return draft.value(key(policy, 'mode')) === 'shadow' ? 'shadow' : 'enforce'
}
export const modeChange = (policy: string, mode: Mode): Changes =>
    mode === 'off' ? { [key(policy, 'enabled')]: false } : { [key(policy, 'enabled')]: true, [key(policy, 'mode')]: mode }

/** Priorities for a new order, changing as few as can be: the moved one alone where there is room. */
export function reorder(order: { name: string; priority: number }[], from: number, to: number): Changes {
    const next = [...order]
    const [moved] = next.splice(from, 1)
    if (!moved) return {}
    next.splice(to, 0, moved)
    const above = next[to - 1]?.priority ?? 1001
    const below = next[to + 1]?.priority ?? -1
    if (above - below > 1) {
        const between = to === 0 ? Math.min(1000, below + 10) : to === next.length - 1 ? Math.max(0, above - 10) : Math.floor((above + below) / 2)
        if (between > below && between < above) return { [key(moved.name, 'priority')]: between }
    }
    const step = Math.floor(1000 / next.length)
    return Object.fromEntries(next.map((one, at) => [key(one.name, 'priority'), 1000 - at * step]))
}

function Order({ draft, policies, may }: { draft: Draft; policies: Policy[]; may: boolean }) {
    const said = useRef<HTMLSpanElement>(null)
    const rows = policies.map(policy => ({ ...policy, priority: Number(draft.value(key(policy.name, 'priority')) ?? policy.priority) }))
        .sort((a, b) => b.priority - a.priority || policies.findIndex(one => one.name === a.name) - policies.findIndex(one => one.name === b.name))
    const move = (policy: Policy, step: number): void => {
        const from = rows.findIndex(row => row.name === policy.name)
        const to = from + step
        if (to < 0 || to >= rows.length) return
        draft.change(reorder(rows, from, to))
        if (said.current) said.current.textContent = `${texts.policy[policy.name as 'geo']}: ${to + 1} / ${rows.length}`
        queueMicrotask(() => document.querySelector<HTMLElement>(`[data-move="${policy.name}${step}"]`)?.focus())
    }
    const link = (policy: Policy, verdict: string, count: number) => count
        ? <a href={`/sessions?policy=${policy.name}&verdict=${verdict}`} title={number(count)}>{compact(count)}</a> : <span class="soft">0</span>
    const columns: Column<Policy>[] = [
        { key: 'order', title: T.order, as: 'fit', cell: row => {
            const at = rows.findIndex(one => one.name === row.name)
            return (
                <span class="row" style={{ gap: '2px', flexWrap: 'nowrap' }}>
                    <span class="soft num end" style={{ minWidth: '2ch' }}>{at + 1}</span>
                    {may && ([[-1, 'up', T.up], [1, 'down', T.down]] as const).map(([step, icon, text]) => (
                        <button key={step} type="button" class="icon-button slim plain" data-move={row.name + step} aria-label={`${text}: ${texts.policy[row.name as 'geo']}`} title={text}
                            disabled={at + step < 0 || at + step >= rows.length} onClick={() => move(row, step)}>
                            {icon === 'up' ? '↑' : '↓'}
                        </button>
                    ))}
                </span>
            )
        } },
        { key: 'name', title: T.policy, cell: row => (
            <>
                <a class="strong" href={`/policies/${row.name}`}>{texts.policy[row.name as 'geo'] ?? row.name}</a>
                <span class="sub hide-narrow">{texts.policyAbout[row.name as 'geo']}</span>
            </>
        ) },
        { key: 'way', title: texts.sessions.direction, as: 'fit hide-wide', cell: row => <span class="soft">{texts.direction[row.runs_on]}</span> },
        { key: 'mode', title: T.mode, as: 'fit', cell: row => (
            <Select aria-label={`${T.mode}: ${texts.policy[row.name as 'geo']}`} value={modeOf(draft, row.name)} options={MODES}
                disabled={!may || draft.get(key(row.name, 'enabled'))?.origin === 'file'} onValue={mode => draft.change(modeChange(row.name, mode as Mode))} />
        ) },
        { key: 'reject', title: texts.verdictCount.reject, as: 'end hide-medium', cell: row => link(row, 'reject', row.counts.reject) },
        { key: 'defer', title: texts.verdictCount.defer, as: 'end hide-medium', cell: row => link(row, 'defer', row.counts.defer) },
        { key: 'shadow', title: T.wouldHave, as: 'end hide-wide', cell: row => {
            const count = row.counts.shadow_defer + row.counts.shadow_reject
            return count ? <Chip kind="shadow" icon="eye">{compact(count)}</Chip> : <span class="soft">–</span>
        } },
    ]
    return (
        <>
            <Table label={T.title} columns={columns} rows={rows} id={row => row.name} onOpen={row => go(`/policies/${row.name}`)} />
            <span class="hidden" aria-live="polite" ref={said} />
        </>
    )
}

export default function Policies() {
    const policies = useResource<Page<Policy>>('/policies/items', undefined, 30)
    const draft = useDraft()
    const may = useMay('admin')
    const error = policies.error ?? draft.error
    return (
        <>
            <PageHead title={T.title} text={T.text}>
                <Button icon="refresh" onClick={policies.reload}>{T.refresh}</Button>
            </PageHead>
            <Card body={false} foot={T.foot}>
                {policies.data && draft.settings ? <Order draft={draft} policies={policies.data.items} may={may} /> : error ? <ErrorBox error={error} retry={() => { policies.reload(); draft.reload() }} /> : <Skeleton lines={11} />}
            </Card>
            <SaveBar draft={draft} />
        </>
    )
}

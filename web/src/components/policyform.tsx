// SPDX-License-Identifier: Apache-2.0
// The settings of one policy as a form, for its page and for the pages about its subject.
import { nameOf, prefixesOf, useDraft, type Draft } from '../lib/draft'
import { useMay } from '../lib/session'
import type { Setting } from '../lib/types'
import { texts } from '../texts'
import { SaveBar } from './savebar'
import { SettingRow } from './setting'
import { Card, ErrorBox, Skeleton } from './ui'

/** "rbl.spamcop.weight" stands under "spamcop"; "rbl.threshold" under nothing. */
export function groups(items: Setting[], depth = 2): [string, Setting[]][] {
    const found = new Map<string, Setting[]>()
    for (const item of items) {
        const parts = item.key.split('.')
        const name = parts.length > depth ? parts.slice(0, depth).join('.') : ''
        found.set(name, [...(found.get(name) ?? []), item])
    }
    return [...found].sort((a, b) => Number(a[0] !== '') - Number(b[0] !== ''))
}
export function SettingCards({ items, draft, title, full, depth = 2 }: { items: Setting[]; draft: Draft; title: string; full?: boolean; depth?: number }) {
    const may = useMay('admin')
    return (
        <>
            {groups(items, depth).map(([name, members]) => (
                <Card key={name} title={name ? nameOf(name) : title} body={false}>
                    {members.map(item => <SettingRow key={item.key} item={item} draft={draft} may={may} {...(full ? { full } : {})} />)}
                </Card>
            ))}
        </>
    )
}

export function PolicyForm({ policy, without }: { policy: string; without?: string[] }) {
    const draft = useDraft()
    if (!draft.settings) return <Card>{draft.error ? <ErrorBox error={draft.error} retry={draft.reload} /> : <Skeleton lines={10} />}</Card>
    const general = draft.settings.items.filter(item => item.key.startsWith(`policies.${policy}.`))
    const own = draft.settings.items.filter(item => prefixesOf(policy).some(prefix => item.key.startsWith(prefix)) && !without?.some(start => item.key.startsWith(start)))
    return (
        <div class="stack">
            <SettingCards items={general} draft={draft} title={texts.policies.when} depth={3} />
            {own.length > 0 && <SettingCards items={own} draft={draft} title={texts.policies.own} />}
            <SaveBar draft={draft} />
        </div>
    )
}

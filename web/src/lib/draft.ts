// SPDX-License-Identifier: Apache-2.0
// Changes of settings that are not applied yet.
import { useLayoutEffect, useState } from 'preact/hooks'
import { api, Problem } from './api'
import { plural, say } from './format'
import { guard } from './router'
import { useResource } from './resource'
import { toast } from './toast'
import type { Setting, Settings, SettingValue } from './types'
import { texts } from '../texts'

export type Changes = Record<string, SettingValue>
export const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

export interface Draft {
    settings: Settings | undefined
    error: Problem | null
    reload: () => void
    get: (key: string) => Setting | undefined
    /** As it would be. */
    value: (key: string) => SettingValue | undefined
    changes: Changes
    change: (changes: Changes) => void
    discard: () => void
    /** Whether every number is one; says beside its field what is wrong with one that is not. */
    sound: () => boolean
    apply: () => Promise<void>
    wrong: { field: string; text: string } | null
    warnings: string[]
}

export function useDraft(): Draft {
    const read = useResource<Settings>('/settings/items')
    const [changes, setChanges] = useState<Changes>({})
    const [wrong, setWrong] = useState<Draft['wrong']>(null)
    const [warnings, setWarnings] = useState<string[]>([])
    const items = read.data?.items
    const get = (key: string): Setting | undefined => items?.find(item => item.key === key)
    const count = Object.keys(changes).length
    useLayoutEffect(() => {
        if (!count) return
        const leaving = (event: BeforeUnloadEvent): void => event.preventDefault()
        addEventListener('beforeunload', leaving)
        guard(() => window.confirm(texts.settings.leave))
        return () => {
            removeEventListener('beforeunload', leaving)
            guard(null)
        }
    }, [count > 0])
    const value = (key: string): SettingValue | undefined => {
        const item = get(key)
        if (!item) return undefined
        if (!(key in changes)) return item.value
        const changed = changes[key] as SettingValue
        return changed === null ? item.default : changed
    }
    const change = (more: Changes): void => {
        setWrong(null)
        setChanges(before => {
            const next = { ...before, ...more }
            for (const [key, to] of Object.entries(next)) {
                const item = get(key)
                // What is as it was is no change; a secret is never known to be.
                if (item && !item.type.startsWith('secret') && same(to === null ? item.default : to, item.value) && (to !== null || item.origin === 'default')) delete next[key]
            }
            return next
        })
    }
    const sound = (): boolean => {
        const field = Object.keys(changes).find(key => Number.isNaN(changes[key]))
        if (field) setWrong({ field, text: say(texts.settings.notNumber, { name: nameOf(field) }) })
        return !field
    }
    const apply = async (): Promise<void> => {
        const before: Changes = {}
        let secret = false
        for (const key of Object.keys(changes)) {
            const item = get(key)
            if (item?.type.startsWith('secret')) secret = true
            else before[key] = item?.origin === 'default' ? null : item?.value ?? null
        }
        try {
            const answer = await api.put<Settings & { warnings?: string[] }>('/settings/items', changes, { ifMatch: api.tagOf('/settings/items') })
            setWarnings(answer.warnings ?? [])
        } catch (error) {
            if (error instanceof Problem && error.status === 412) read.reload()
            else if (error instanceof Problem && error.field) setWrong({ field: error.field, text: error.message })
            throw error
        }
        setChanges({})
        read.reload()
        toast(plural(count, texts.settings.applied), secret ? null : async () => {
            await api.put('/settings/items', before)
            read.reload()
        })
    }
    return { settings: read.data, error: read.error, reload: read.reload, get, value, changes, change, discard: () => { setChanges({}); setWrong(null) }, sound, apply, wrong, warnings }
}

/** The settings of a policy: its switch, place and mode, then its own. */
export function prefixesOf(policy: string): string[] {
    return policy === 'acl_block' ? ['access_list.'] : [policy + '.']
}
/** "greylisting.defer_time": "Defer time". */
export function nameOf(key: string): string {
    const last = (key.split('.').pop() ?? key).split('_').map(word => texts.word[word as keyof typeof texts.word] ?? word).join(' ')
    return last.charAt(0).toUpperCase() + last.slice(1)
}

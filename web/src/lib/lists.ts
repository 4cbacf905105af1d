// SPDX-License-Identifier: Apache-2.0
// Putting entries on lists and taking them off, each with its way back.
import { api } from './api'
import { say } from './format'
import { act } from './toast'
import type { ListEntry, ListName } from './types'
import { texts } from '../texts'

export interface NewEntry {
    pattern: string
    direction?: string
    require?: string
    comment?: string
    expires?: string | number | null
}
const members = (entry: NewEntry): Record<string, unknown> =>
    Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== '' && value !== null && value !== undefined))

export async function addEntry(list: ListName, entry: NewEntry, done?: () => void): Promise<void> {
    const made = await api.post<ListEntry>(`/lists/${list}`, members(entry))
    done?.()
    await act(async () => {}, say(texts.lists.added[list], { pattern: made.pattern }), async () => {
        await api.remove(`/lists/${list}/${made.id}`)
        done?.()
    })
}
export async function removeEntry(list: ListName, entry: ListEntry, done?: () => void): Promise<void> {
    const again: NewEntry = { pattern: entry.pattern, direction: entry.direction, require: entry.require, comment: entry.comment, expires: entry.expires }
    await act(() => api.remove(`/lists/${list}/${entry.id}`), say(texts.lists.removed, { pattern: entry.pattern }), async () => {
        await api.post(`/lists/${list}`, { ...members(again), type: entry.type })
        done?.()
    })
    done?.()
}

// SPDX-License-Identifier: Apache-2.0
import { Problem } from './api'
import { store } from './store'
import { texts } from '../texts'

export interface Toast {
    id: number
    text: string
    bad: boolean
    undo: (() => Promise<unknown>) | null
}
export const toasts = store<Toast[]>([])
let last = 0
const SECONDS = 10

export function dismiss(id: number): void {
    toasts.set(toasts.get().filter(one => one.id !== id))
}
export function toast(text: string, undo: (() => Promise<unknown>) | null = null, bad = false): void {
    const id = ++last
    toasts.set([...toasts.get().slice(-2), { id, text, bad, undo }])
    setTimeout(() => dismiss(id), (undo || bad ? 2 : 1) * SECONDS * 1000)
}
export const complain = (error: unknown): void => toast(error instanceof Problem ? error.message : String(error), null, true)

/** Does something, says so, and offers to take it back. True when it was done. */
export async function act(does: () => Promise<unknown>, said: string, undo: (() => Promise<unknown>) | null = null): Promise<boolean> {
    try {
        await does()
    } catch (error) {
        complain(error)
        return false
    }
    toast(said, undo)
    return true
}
export async function takeBack(one: Toast): Promise<void> {
    dismiss(one.id)
    if (!one.undo) return
    try {
        await one.undo()
        toast(texts.toast.undone)
    } catch (error) {
        complain(error)
    }
}
/** The newest that can be undone, for the key `u`. */
export const undoable = (): Toast | undefined => toasts.get().findLast(one => one.undo)

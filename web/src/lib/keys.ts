// SPDX-License-Identifier: Apache-2.0
// Keys that work anywhere but in fields: `?` help, `/` filter, `g` and a letter a page, `j` `k` rows, `u` undo.
import { go } from './router'
import { store } from './store'
import { takeBack, undoable } from './toast'

export const helpOpen = store(false)
export const PAGES: Record<string, string> = {
    o: '/', s: '/sessions', l: '/logs', p: '/policies', a: '/access', g: '/greylisting', r: '/rbl', c: '/geo', q: '/quotas', i: '/intelligence', e: '/settings', u: '/users',
}
const local = new Map<string, () => void>()
let chord = 0

/** A key of one page; answers how to take it back. */
export function bind(key: string, call: () => void): () => void {
    local.set(key, call)
    return () => {
        if (local.get(key) === call) local.delete(key)
    }
}

function inField(target: EventTarget | null): boolean {
    const element = target as HTMLElement | null
    return !!element?.closest?.('input:not([type=checkbox],[type=radio],[type=button]),textarea,select,[contenteditable]')
}

function moveRow(step: number): void {
    const rows = [...document.querySelectorAll<HTMLElement>('main tr[data-row]')].filter(row => row.offsetParent)
    if (!rows.length) return
    const focused = rows.findIndex(row => row === document.activeElement || row.contains(document.activeElement))
    // From within the panel, the rows go on from the one it shows.
    const at = focused < 0 ? rows.findIndex(row => row.classList.contains('here')) : focused
    const next = rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + step))]
    next?.focus()
    next?.scrollIntoView({ block: 'nearest' })
}

function pressed(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return
    const modal = document.querySelector('dialog[open]')
    if (inField(event.target) || modal) return
    if (chord && Date.now() - chord < 1200) {
        chord = 0
        const target = PAGES[event.key]
        if (target) {
            event.preventDefault()
            go(target)
        }
        return
    }
    const call = local.get(event.key)
    if (call) {
        event.preventDefault()
        call()
        return
    }
    const known: Record<string, () => void> = {
        g: () => (chord = Date.now()),
        '?': () => helpOpen.set(true),
        '/': () => document.querySelector<HTMLElement>('main [data-search]')?.focus(),
        j: () => moveRow(1),
        k: () => moveRow(-1),
        u: () => {
            const one = undoable()
            if (one) void takeBack(one)
        },
    }
    const does = known[event.key]
    if (does) {
        event.preventDefault()
        does()
    }
}
export const listen = (): void => document.addEventListener('keydown', pressed)

// SPDX-License-Identifier: Apache-2.0
// The address bar is the state: a path names the page, the query everything else one could want to show a colleague.
import { store, useStore } from './store'

export interface Place {
    path: string
    query: URLSearchParams
}

function read(): Place {
    return { path: location.pathname.replace(/\/+$/, '') || '/', query: new URLSearchParams(location.search) }
}

export const place = store<Place>(read())
let blocker: (() => boolean) | null = null

addEventListener('popstate', () => place.set(read()))

/** While set, leaving the path asks first: `call` answers whether one may leave. */
export function guard(call: (() => boolean) | null): void {
    blocker = call
}

export function go(target: string, replace = false): void {
    const url = new URL(target, location.href)
    const leaves = url.pathname !== location.pathname
    if (leaves && blocker && !blocker()) return
    if (leaves) blocker = null
    history[replace ? 'replaceState' : 'pushState'](null, '', url)
    place.set(read())
    if (leaves) {
        scrollTo(0, 0)
        queueMicrotask(() => document.getElementById('main')?.focus({ preventScroll: true }))
    }
}

export const usePlace = (): Place => useStore(place)

export type QueryChange = Record<string, string | null | undefined>

/** An address with some members of the query changed; null takes one out. */
export function withQuery(change: QueryChange, path = place.get().path): string {
    const query = new URLSearchParams(path === place.get().path ? place.get().query : undefined)
    for (const [name, value] of Object.entries(change)) {
        if (value) query.set(name, value)
        else query.delete(name)
    }
    const text = query.toString()
    return path + (text ? '?' + text : '')
}

export const setQuery = (change: QueryChange, replace = true): void => go(withQuery(change), replace)

/** Takes clicks on links of our own, so that no page is loaded anew. */
export function followLinks(): void {
    document.addEventListener('click', event => {
        if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
        const link = (event.target as Element).closest?.('a')
        if (!link || link.origin !== location.origin || link.target || link.hasAttribute('download')) return
        if (link.pathname.startsWith('/api/') || link.getAttribute('href')?.startsWith('#')) return
        event.preventDefault()
        go(link.pathname + link.search)
    })
}

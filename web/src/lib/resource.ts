// SPDX-License-Identifier: Apache-2.0
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { address, api, Problem, type Query } from './api'
import type { Page } from './types'

// What was read last, by address: a page one comes back to shows it while it reads again.
const kept = new Map<string, unknown>()
const KEPT_MAX = 60

function keep(key: string, value: unknown): void {
    kept.delete(key)
    kept.set(key, value)
    if (kept.size > KEPT_MAX) kept.delete(kept.keys().next().value as string)
}

export interface Resource<T> {
    data: T | undefined
    error: Problem | null
    loading: boolean
    reload: () => void
}

const asProblem = (error: unknown): Problem => (error instanceof Problem ? error : new Problem(0, String(error)))
const aborted = (error: unknown): boolean => error instanceof DOMException && error.name === 'AbortError'

/** Reads `path` (null: nothing), again every `seconds` while the page is seen. */
export function useResource<T>(path: string | null, query?: Query, seconds = 0): Resource<T> {
    const key = path === null ? null : address(path, query)
    const [state, setState] = useState<{ key: string | null; data?: T; error: Problem | null; loading: boolean }>({
        key: null,
        error: null,
        loading: true,
    })
    const [turn, setTurn] = useState(0)
    useEffect(() => {
        if (key === null) return
        const abort = new AbortController()
        const read = async (): Promise<void> => {
            try {
                const data = await api.get<T>(key.slice('/api/v1'.length), undefined, abort.signal)
                keep(key, data)
                setState({ key, data, error: null, loading: false })
            } catch (error) {
                if (aborted(error)) return
                setState(before => ({ ...(before.key === key ? before : {}), key, error: asProblem(error), loading: false }))
            }
        }
        void read()
        const timer = seconds ? setInterval(() => document.visibilityState === 'visible' && void read(), seconds * 1000) : 0
        return () => {
            abort.abort()
            clearInterval(timer)
        }
    }, [key, seconds, turn])
    const reload = useCallback(() => setTurn(number => number + 1), [])
    const current = state.key === key
    const data = (current && state.data !== undefined ? state.data : key === null ? undefined : kept.get(key)) as T | undefined
    return { data, error: current ? state.error : null, loading: key !== null && (!current || state.loading) && data === undefined, reload }
}

export interface List<T> {
    items: T[]
    error: Problem | null
    loading: boolean
    more: (() => void) | null
    loadingMore: boolean
    reload: () => void
    set: (change: (items: T[]) => T[]) => void
    /** The daemon is away: what is newer than the history it has closed is missing. */
    closed: boolean
}

/** Reads a list page by page: `more` reads the next one, and is null at the end. */
export function useList<T>(path: string | null, query?: Query): List<T> {
    const key = path === null ? null : address(path, query)
    const [pages, setPages] = useState<{ key: string | null; items: T[]; next: string | null; closed: boolean }>({ key: null, items: [], next: null, closed: false })
    const [error, setError] = useState<Problem | null>(null)
    const [busy, setBusy] = useState(false)
    const [turn, setTurn] = useState(0)
    const running = useRef<AbortController | null>(null)
    useEffect(() => {
        if (key === null) return
        const abort = new AbortController()
        running.current = abort
        setError(null)
        setBusy(false)
        api.get<Page<T>>(key.slice('/api/v1'.length), undefined, abort.signal)
            .then(page => {
                keep(key, page)
                setPages({ key, items: page.items, next: page.next ?? null, closed: page.history === 'closed' })
            })
            .catch((problem: unknown) => aborted(problem) || setError(asProblem(problem)))
        return () => abort.abort()
    }, [key, turn])
    const before = key === null ? undefined : (kept.get(key) as Page<T> | undefined)
    const current = pages.key === key
    const shown = current ? pages : before ? { items: before.items, next: before.next, closed: before.history === 'closed' } : { items: [], next: null, closed: false }
    const more = useCallback(() => {
        if (!pages.next || pages.key === null || busy) return
        const abort = running.current
        setBusy(true)
        api.get<Page<T>>(pages.key.slice('/api/v1'.length), { cursor: pages.next }, abort?.signal)
            .then(page => setPages(now => ({ ...now, items: [...now.items, ...page.items], next: page.next ?? null, closed: now.closed || page.history === 'closed' })))
            .catch((problem: unknown) => aborted(problem) || setError(asProblem(problem)))
            .finally(() => setBusy(false))
    }, [pages, busy])
    return {
        items: shown.items,
        error,
        loading: key !== null && !current && !before && !error,
        more: current && pages.next ? more : null,
        loadingMore: busy,
        reload: useCallback(() => setTurn(number => number + 1), []),
        closed: shown.closed,
        set: useCallback(change => setPages(now => ({ ...now, items: change(now.items) })), []),
    }
}

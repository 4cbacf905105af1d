// SPDX-License-Identifier: Apache-2.0
// The REST API: JSON in and out, problem documents as errors, the CSRF token of the session on every change.
import { texts } from '../texts'

const BASE = '/api/v1'
let csrf = ''
/** What the server calls the state that was read last, by path without query. */
const tags = new Map<string, string>()
let onLost: () => void = () => {}

export type Query = Record<string, string | number | boolean | null | undefined>

export class Problem extends Error {
    constructor(
        readonly status: number,
        detail: string,
        readonly field: string | null = null,
        readonly members: Record<string, unknown> = {},
        readonly retryAfter: number | null = null,
    ) {
        super(detail)
    }
}

export function setCsrf(token: string | undefined): void {
    csrf = token ?? ''
}
/** Called when the server no longer knows the session. */
export function whenLoggedOut(call: () => void): void {
    onLost = call
}

export function address(path: string, query?: Query): string {
    const search = new URLSearchParams()
    for (const [name, value] of Object.entries(query ?? {})) {
        if (value !== undefined && value !== null && value !== '') search.set(name, String(value))
    }
    const text = search.toString()
    return BASE + path + (text ? (path.includes('?') ? '&' : '?') + text : '')
}

async function problemOf(answer: Response): Promise<Problem> {
    const retry = Number(answer.headers.get('Retry-After'))
    let body: Record<string, unknown> = {}
    try {
        body = (await answer.json()) as Record<string, unknown>
    } catch {
        // Not a problem document: a proxy in between, or nothing at all.
    }
    const detail = typeof body.detail === 'string' && body.detail ? body.detail : texts.error.status.replace('{status}', String(answer.status))
    return new Problem(answer.status, detail, typeof body.field === 'string' ? body.field : null, body, retry > 0 ? retry : null)
}

export interface Sent {
    body?: unknown
    /** As it is, not as JSON: an import. */
    raw?: string
    query?: Query
    signal?: AbortSignal
    ifMatch?: string | null
}

async function call(method: string, path: string, sent: Sent = {}): Promise<Response> {
    const headers: Record<string, string> = { Accept: 'application/json' }
    let body: string | undefined
    if (sent.raw !== undefined) {
        headers['Content-Type'] = 'application/octet-stream'
        body = sent.raw
    } else if (sent.body !== undefined) {
        headers['Content-Type'] = 'application/json'
        body = JSON.stringify(sent.body)
    }
    if (method !== 'GET' && csrf) headers['X-CSRF-Token'] = csrf
    if (sent.ifMatch) headers['If-Match'] = sent.ifMatch
    let answer: Response
    for (let attempt = 1; ; attempt++) {
        answer = await once(method, path, sent, headers, body)
        const wait = Number(answer.headers.get('Retry-After'))
        // Told to come back in a moment, one does: whoever walks through pages quickly need not know of it.
        if (answer.status !== 429 || path === '/login' || attempt > 3 || !(wait > 0 && wait <= 5)) break
        await new Promise(resolve => setTimeout(resolve, wait * 1000))
    }
    if (!answer.ok) {
        const problem = await problemOf(answer)
        if (problem.status === 401 && path !== '/login') onLost()
        throw problem
    }
    const tag = answer.headers.get('ETag')
    if (method === 'GET' && tag && !sent.query) tags.set(path, tag)
    return answer
}

async function once(method: string, path: string, sent: Sent, headers: Record<string, string>, body: string | undefined): Promise<Response> {
    try {
        return await fetch(address(path, sent.query), {
            method,
            headers,
            body: body ?? null,
            signal: sent.signal ?? null,
            credentials: 'same-origin',
        })
    } catch (error) {
        if (error instanceof DOMException && error.name === 'AbortError') throw error
        throw new Problem(0, texts.error.unreachable)
    }
}

async function read<T>(answer: Response): Promise<T> {
    if (answer.status === 204) return undefined as T
    const text = await answer.text()
    return (text ? JSON.parse(text) : undefined) as T
}

export const api = {
    /** For `ifMatch`: the change is refused when somebody else's came between. */
    tagOf: (path: string): string | null => tags.get(path) ?? null,
    async get<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> {
        return read<T>(await call('GET', path, { ...(query ? { query } : {}), ...(signal ? { signal } : {}) }))
    },
    async post<T>(path: string, body?: unknown, more: Sent = {}): Promise<T> {
        return read<T>(await call('POST', path, { body, ...more }))
    },
    async put<T>(path: string, body?: unknown, more: Sent = {}): Promise<T> {
        return read<T>(await call('PUT', path, { body, ...more }))
    },
    async remove(path: string, query?: Query): Promise<void> {
        await call('DELETE', path, query ? { query } : {})
    },
}

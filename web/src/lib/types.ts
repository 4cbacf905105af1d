// SPDX-License-Identifier: Apache-2.0
// What is read of the API's answers; contract-check.ts holds it to api/openapi.yaml.

export type Verdict = 'accept' | 'defer' | 'reject'
export type Role = 'viewer' | 'operator' | 'admin'

export interface Page<T> {
    items: T[]
    next: string | null
    /** The daemon is away. */
    history?: 'closed'
}

export interface Me {
    name: string
    role: Role
    via: 'session' | 'token' | 'socket' | 'trusted'
    csrf?: string
    must_change_password: boolean
    totp: boolean
    tls: boolean
}

export interface Session {
    sequence: string
    time: string
    state: string
    direction: 'inbound' | 'outbound'
    verdict: Verdict | null
    policy: string
    reason: string
    sentence: string
    rule: string
    reply: string
    client_address: string
    client_name: string
    helo: string
    sender: string
    recipient: string
    identity: string
    instance: string
    queue_id: string
    size: number
    recipients: number | null
    duration_us: number
    count: number
    country?: string | null
    asn?: number | null
    shadow: { policy: string; verdict: string; reason: string }[]
    advice?: string
}

export interface Explanation {
    verdict: Verdict | null
    policy: string
    reason: string
    sentence: string
    advice: string
    rule: string
    reply: string
    direction: string
    identity: string
    time: string
    steps: ExplainStep[]
    effects: { what: string; text: string }[]
    recorded?: { verdict: Verdict; reason: string; reply: string }
    same?: boolean
}
export interface ExplainStep {
    policy: string
    priority: number
    mode: string
    ran: boolean
    verdict: Verdict | 'none' | null
    reason: string
    sentence: string
    read: { what: string; found: boolean; text: string }[]
}

export interface Policy {
    name: string
    enabled: boolean
    priority: number
    mode: 'enforce' | 'shadow'
    on_error: Verdict | null
    runs_on: 'inbound' | 'outbound' | 'both'
    counts: { none: number; accept: number; defer: number; reject: number; shadow_defer: number; shadow_reject: number }
}

export type SettingType =
    'boolean' | 'number' | 'duration' | 'size' | 'choice' | 'text' | 'list' | 'networks' | 'mode' | 'secret' | 'secrets'
export type SettingValue = boolean | number | string | string[] | null
export interface Setting {
    key: string
    value: SettingValue
    default: SettingValue
    type: SettingType
    unit: string
    choices: string[] | null
    min: number | null
    max: number | null
    origin: 'default' | 'database' | 'file'
    applies: 'at once' | 'at restart' | 'file'
    pending: boolean
    help: string
}
export interface Settings {
    version: number
    items: Setting[]
}

export interface Status {
    version: string
    pid: number
    started: string
    uptime: number
    ready: boolean
    listen: string[]
    workers: number
    connections: number
    requests: Record<string, number>
    acceptance_rate: number | null
    clock: { decision_time: string; wall_time: string; offset_ms: number; stepped: boolean; gap: boolean }
    journal: Record<string, unknown>
    snapshot: Record<string, unknown>
    recorder: Record<string, unknown>
    tables: Record<string, { entries: number; capacity: number; evicted: number; bytes: number }>
    lists: Record<string, number>
    settings: { version: number; pending_restart: string[] }
    alerts: { severity: 'critical' | 'warning'; type: string; text: string }[]
}

export interface Minute {
    time: string
    direction: string
    verdict: Verdict
    policy: string
    reason: string
    shadow: boolean
    count: number
}
export interface Totals {
    total: number
    accepted: number
    rejected: number
    deferred: number
    inbound: number
    outbound: number
    unique_clients: number
    unique_senders: number
    unique_recipients: number
}
export interface Summary extends Totals {
    previous: Totals
}
export interface TopItem {
    key: string
    label: string
    count: number
    accepted: number
    rejected: number
    deferred: number
}

export type ListName = 'allow' | 'block' | 'greylist_exempt' | 'reputation_allow'
export interface ListEntry {
    id: number
    type: string
    pattern: string
    direction: string
    require: string
    comment: string
    expires: string | null
    author: string
    created: string
}

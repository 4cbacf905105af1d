// SPDX-License-Identifier: Apache-2.0
// A development aid: the dashboard on a daemon's control socket, without seczim-api.
//   node dev-server.mjs --dist FOLDER --socket run/control.sock [--port 8899] [--login]
// Hands /api/v1/* to the daemon, makes events of /v1/sessions/follow, and plays what seczim-api alone has (users,
// tokens, audit, top lists) from memory. Whoever reaches it is admin: loopback only, never in front of real mail.
import { createServer, request } from 'node:http'
import { readFileSync, statSync } from 'node:fs'
import path from 'node:path'

const words = process.argv.slice(2)
const option = (name, other) => (words.includes(name) ? words[words.indexOf(name) + 1] : other)
const dist = path.resolve(option('--dist', 'dist'))
const socketPath = option('--socket', 'run/control.sock')
const port = Number(option('--port', '8899'))
const withLogin = words.includes('--login')

const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; " +
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' }
const RENAMED = [['/settings/items', '/settings'], ['/policies/items', '/policies'], ['/stats/minutes', '/stats']]

const state = {
    loggedIn: !withLogin,
    users: [{ name: 'admin', role: 'admin', disabled: false, totp: false, must_change_password: false, created: '2026-11-01T08:00:00.000Z', last_login: new Date().toISOString() },
        { name: 'maria', role: 'operator', disabled: false, totp: true, must_change_password: false, created: '2026-11-03T09:12:00.000Z', last_login: '2026-11-21T16:40:00.000Z' },
        { name: 'helpdesk', role: 'viewer', disabled: false, totp: false, must_change_password: true, created: '2026-11-12T10:00:00.000Z', last_login: null }],
    tokens: [{ id: 1, name: 'grafana', scopes: ['read'], role: 'viewer', user: 'admin', created: '2026-11-02T08:00:00.000Z', expires: '2027-11-02T08:00:00.000Z', last_used: new Date().toISOString(), prefix: 'szt_Kq3f' }],
    audit: [],
}

function control(method, target, body, headers = {}) {
    return new Promise((resolve, reject) => {
        const asked = request({ socketPath, method, path: target, headers: { 'Content-Type': 'application/json', ...headers } }, answer => {
            const parts = []
            answer.on('data', part => parts.push(part))
            answer.on('end', () => resolve({ status: answer.statusCode, type: answer.headers['content-type'], body: Buffer.concat(parts) }))
        })
        asked.on('error', reject)
        asked.end(body)
    })
}
const json = (answer, status, value) => {
    answer.writeHead(status, { 'Content-Type': status >= 400 ? 'application/problem+json' : 'application/json' })
    answer.end(value === undefined ? '' : JSON.stringify(value))
}
const problem = (answer, status, detail, more = {}) => json(answer, status, { type: 'about:blank', title: 'Error', status, detail, ...more })

let kept = { at: 0, rows: [] }
async function recent() {
    if (Date.now() - kept.at < 15000) return kept.rows
    const rows = []
    let cursor = null
    do {
        const page = JSON.parse((await control('GET', `/v1/sessions?since=-8d&limit=500${cursor ? '&cursor=' + cursor : ''}`)).body)
        rows.push(...page.items)
        cursor = page.next
    } while (cursor && rows.length < 20000)
    kept = { at: Date.now(), rows }
    return rows
}
function span(text, other) {
    const found = /^-(\d+)([smhdw])$/.exec(text ?? '')
    if (found) return Date.now() - found[1] * { s: 1, m: 60, h: 3600, d: 86400, w: 604800 }[found[2]] * 1000
    return text ? Date.parse(text) : other
}
function total(rows) {
    const verdicts = { accept: 0, reject: 0, defer: 0 }, directions = { inbound: 0, outbound: 0 }, policies = {}
    const sets = { clients: new Set(), senders: new Set(), recipients: new Set() }
    for (const row of rows) {
        verdicts[row.verdict]++
        directions[row.direction]++
        if (row.verdict !== 'accept' && row.policy) {
            policies[row.policy] ??= { reject: 0, defer: 0 }
            policies[row.policy][row.verdict]++
        }
        sets.clients.add(row.client_address)
        sets.senders.add(row.sender)
        sets.recipients.add(row.recipient)
    }
    return { total: rows.length, accepted: verdicts.accept, rejected: verdicts.reject, deferred: verdicts.defer, ...directions,
        unique_clients: sets.clients.size, unique_senders: sets.senders.size, unique_recipients: sets.recipients.size,
        policies: Object.entries(policies).map(([policy, counts]) => ({ policy, ...counts })) }
}
async function summary(query) {
    const length = { '1h': 3600, '24h': 86400, '7d': 604800, '30d': 2592000 }[query.get('period') ?? '24h'] * 1000
    const rows = await recent(), now = Date.now()
    const part = (from, to) => total(rows.filter(row => Date.parse(row.time) > from && Date.parse(row.time) <= to))
    return { period: query.get('period') ?? '24h', ...part(now - length, now), previous: part(now - 2 * length, now - length) }
}
const countries = new Map()
async function countryOf(address) {
    if (!countries.has(address)) {
        const found = JSON.parse((await control('GET', '/v1/geo/' + address)).body)
        countries.set(address, found)
    }
    return countries.get(address)
}
async function top(query) {
    const by = query.get('by'), rows = await recent(), since = span(query.get('since'), Date.now() - 86400000), until = span(query.get('until'), Date.now())
    const found = new Map()
    for (const row of rows) {
        const at = Date.parse(row.time)
        if (at < since || at > until || (query.get('verdict') && row.verdict !== query.get('verdict'))) continue
        let key = { sender: row.sender, recipient: row.recipient, client: row.client_address, rule: row.rule, reason: row.reason }[by], label = key
        if (by === 'country') {
            const place = await countryOf(row.client_address)
            key = place.country
            label = place.country_name
        }
        if (by === 'asn') {
            const place = await countryOf(row.client_address)
            key = place.asn && 'AS' + place.asn
            label = place.as_name
        }
        if (!key) continue
        const item = found.get(key) ?? { key, label: label ?? key, count: 0, accepted: 0, rejected: 0, deferred: 0 }
        item.count++
        item[{ accept: 'accepted', reject: 'rejected', defer: 'deferred' }[row.verdict]]++
        found.set(key, item)
    }
    return { items: [...found.values()].sort((a, b) => b.count - a.count).slice(0, Number(query.get('limit') ?? 10)) }
}

function events(query, incoming, outgoing) {
    outgoing.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
    const cursor = incoming.headers['last-event-id']
    if (cursor) query.set('cursor', cursor)
    outgoing.write(': here\n\n')
    const follow = request({ socketPath, path: '/v1/sessions/follow?' + query }, answer => {
        let rest = ''
        answer.setEncoding('utf8')
        answer.on('data', text => {
            const lines = (rest + text).split('\n')
            rest = lines.pop()
            for (const line of lines) if (line.trim()) outgoing.write(`id: ${JSON.parse(line).sequence}\nevent: session\ndata: ${line}\n\n`)
        })
        answer.on('end', () => outgoing.end())
    })
    follow.on('error', () => outgoing.end())
    follow.end()
    const beat = setInterval(() => outgoing.write(': \n\n'), 15000)
    outgoing.on('close', () => { clearInterval(beat); follow.destroy() })
}

const me = () => ({ name: 'admin', role: option('--role', 'admin'), via: 'session', csrf: 'development', must_change_password: false, totp: false, tls: false })

async function api(method, name, query, body, incoming, outgoing) {
    const sent = () => { try { return JSON.parse(body || '{}') } catch { return {} } }
    const key = method + ' ' + name
    if (key === 'POST /login') {
        const { name: who, password, code } = sent()
        if (who !== 'admin' || password !== 'secret') return problem(outgoing, 401, 'Name or password is wrong.')
        if (words.includes('--code') && code !== '123456') return problem(outgoing, 401, 'A code of your authenticator is needed.', { code_required: true })
        state.loggedIn = true
        return json(outgoing, 200, me())
    }
    if (!state.loggedIn) return problem(outgoing, 401, 'Log in first.')
    if (method !== 'GET' && incoming.headers['x-csrf-token'] !== 'development') return problem(outgoing, 403, 'The request lacks X-CSRF-Token.')
    if (key === 'POST /logout') { state.loggedIn = !withLogin; return json(outgoing, 204) }
    if (key === 'GET /me') return json(outgoing, 200, me())
    if (key === 'PUT /me/password') return json(outgoing, 204)
    if (key === 'POST /me/totp') return json(outgoing, 200, { secret: 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP', uri: 'otpauth://totp/SecZim:admin?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=SecZim' })
    if (key === 'PUT /me/totp' || key === 'POST /me/totp/disable') return json(outgoing, 204)
    if (key === 'GET /me/sessions') return json(outgoing, 200, { items: [{ id: 'a1', created: new Date(Date.now() - 7200e3).toISOString(), last_used: new Date().toISOString(), address: '192.0.2.10', user_agent: incoming.headers['user-agent'], current: true },
        { id: 'b2', created: '2026-11-20T08:00:00.000Z', last_used: '2026-11-21T18:22:00.000Z', address: '198.51.100.7', user_agent: 'Mozilla/5.0 (iPhone)', current: false }], next: null })
    if (name.startsWith('/me/sessions/')) return json(outgoing, 204)
    if (key === 'GET /users') return json(outgoing, 200, { items: state.users, next: null })
    if (key === 'POST /users') {
        const user = { role: 'viewer', disabled: false, totp: false, must_change_password: true, created: new Date().toISOString(), last_login: null, ...sent() }
        delete user.password
        state.users.push(user)
        return json(outgoing, 201, { ...user, ...(sent().password ? {} : { one_time_password: 'correct-horse-battery' }) })
    }
    if (name.startsWith('/users/')) {
        const at = state.users.findIndex(user => user.name === decodeURIComponent(name.slice(7)))
        if (at < 0) return problem(outgoing, 404, 'There is no such user.')
        if (method === 'DELETE') { state.users.splice(at, 1); return json(outgoing, 204) }
        const { password, ...members } = sent()
        Object.assign(state.users[at], members)
        return json(outgoing, 200, { ...state.users[at], ...(password === null ? { one_time_password: 'battery-staple-42' } : {}) })
    }
    if (key === 'GET /tokens') return json(outgoing, 200, { items: state.tokens, next: null })
    if (key === 'POST /tokens') {
        const token = { id: Date.now(), role: 'viewer', user: 'admin', created: new Date().toISOString(), expires: null, last_used: null, prefix: 'szt_Ab12', ...sent() }
        state.tokens.push(token)
        return json(outgoing, 201, { ...token, token: 'szt_Ab12' + 'x'.repeat(45) })
    }
    if (name.startsWith('/tokens/')) { state.tokens = state.tokens.filter(token => String(token.id) !== name.slice(8)); return json(outgoing, 204) }
    if (key === 'GET /audit') return json(outgoing, 200, { items: state.audit.slice(0, 100), next: null })
    if (key === 'GET /stats/summary') return json(outgoing, 200, await summary(query))
    if (key === 'GET /stats/top') return json(outgoing, 200, await top(query))
    if (key === 'GET /events') return events(query, incoming, outgoing)
    let target = name
    for (const [from, to] of RENAMED) if (target === from || target.startsWith(from + '/')) target = to + target.slice(from.length)
    const before = method === 'PUT' ? await control('GET', '/v1' + target) : null
    const answer = await control(method, '/v1' + target + (query.size ? '?' + query : ''), method === 'GET' ? undefined : body)
    if (method !== 'GET') {
        state.audit.unshift({ id: state.audit.length + 1, time: new Date().toISOString(), user: 'admin', via: 'session', address: '127.0.0.1', action: method.toLowerCase() + name.replaceAll('/', '_'), method,
            path: '/api/v1' + name, status: answer.status, before: before ? before.body.toString().slice(0, 500) : null, after: body ? String(body).slice(0, 500) : null, request_id: String(Date.now()) })
    }
    outgoing.writeHead(answer.status, { 'Content-Type': answer.type ?? 'application/json' })
    outgoing.end(answer.body)
}

function file(name, outgoing) {
    let place = path.join(dist, path.normalize(name))
    try { if (!place.startsWith(dist) || !statSync(place).isFile()) throw new Error() } catch { place = path.join(dist, 'index.html') }
    outgoing.writeHead(200, { 'Content-Type': TYPES[path.extname(place)] ?? 'application/octet-stream', 'Content-Security-Policy': POLICY, 'Cache-Control': 'no-store' })
    outgoing.end(readFileSync(place))
}

createServer((incoming, outgoing) => {
    const url = new URL(incoming.url, 'http://localhost')
    if (!url.pathname.startsWith('/api/v1/')) return file(url.pathname, outgoing)
    const parts = []
    incoming.on('data', part => parts.push(part))
    incoming.on('end', () => {
        api(incoming.method, url.pathname.slice(7), url.searchParams, Buffer.concat(parts), incoming, outgoing)
            .catch(error => problem(outgoing, 503, `The daemon does not answer: ${error.message}`))
    })
}).listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${port}/`))

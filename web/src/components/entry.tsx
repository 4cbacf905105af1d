// SPDX-License-Identifier: Apache-2.0
// The dialog that puts a sender or a client on a list: of what scope, for how long, in which direction.
import { useState } from 'preact/hooks'
import { addEntry } from '../lib/lists'
import type { ListName } from '../lib/types'
import { texts } from '../texts'
import { Dialog } from './dialog'
import { SelectField, TextField, type Options } from './ui'

const T = texts.lists
export const EXPIRES: Options = [['', T.never], ['3600', T.hour], ['86400', T.day], ['604800', T.week], ['2592000', T.month], ['31622400', T.year]]
export const DIRECTIONS: Options = [['inbound', texts.direction.inbound], ['outbound', texts.direction.outbound], ['both', texts.direction.both]]
export const REQUIRES: Options = [['', T.requireNone], ['fcrdns', T.requireName], ['spf', T.requireSpf]]

export interface Suggestion {
    pattern: string
    text: string
}

/** From the narrowest on. */
export function senderScopes(sender: string): Suggestion[] {
    const domain = sender.split('@')[1]
    if (!sender) return [{ pattern: '<>', text: T.scopeNull }]
    if (!domain) return [{ pattern: sender, text: T.scopeAddress }]
    return [{ pattern: sender, text: T.scopeAddress }, { pattern: `*@${domain}`, text: T.scopeDomain }, { pattern: `*@*.${domain}`, text: T.scopeSubdomains }]
}
export function clientScopes(client: string): Suggestion[] {
    const found: Suggestion[] = [{ pattern: client, text: T.scopeClient }]
    const parts = client.split('.')
    if (parts.length === 4) found.push({ pattern: `${parts.slice(0, 3).join('.')}.0/24`, text: T.scopeNetwork })
    else if (client.includes(':')) found.push({ pattern: `${client.split(':').slice(0, 4).join(':').replace(/:+$/, '')}::/64`, text: T.scopeNetwork6 })
    return found
}

interface EntryProps {
    list: ListName
    scopes?: Suggestion[]
    direction?: string
    onClose: () => void
    onDone?: (() => void) | undefined
}
export function EntryDialog({ list, scopes = [], direction = 'inbound', onClose, onDone }: EntryProps) {
    const [pattern, setPattern] = useState(scopes[0]?.pattern ?? '')
    const [own, setOwn] = useState(!scopes.length)
    const [way, setWay] = useState(direction)
    const [expires, setExpires] = useState('')
    const [require, setRequire] = useState('')
    const [comment, setComment] = useState('')
    const both = list === 'allow' || list === 'block'
    const send = (): Promise<void> => addEntry(list, { pattern: pattern.trim(), comment, ...(both ? { direction: way } : {}),
        ...(list === 'allow' ? { require } : {}), ...(expires ? { expires: Number(expires) } : {}) }, onDone)
    return (
        <Dialog title={T.addTitle[list]} submit={T.addSubmit[list]} kind={list === 'block' ? 'danger' : 'primary'} onClose={onClose} onSubmit={send} disabled={!pattern.trim()}>
            <p class="soft">{T.addText[list]}</p>
            {scopes.length > 0 && (
                <fieldset class="field">
                    <legend class="label strong">{T.scope}</legend>
                    {scopes.map((scope, index) => (
                        <label class="choice" key={scope.pattern}>
                            <input type="radio" name="scope" autofocus={index === 0} checked={!own && pattern === scope.pattern} onChange={() => { setOwn(false); setPattern(scope.pattern) }} />
                            <span><span class="mono">{scope.pattern}</span><span class="soft small"> · {scope.text}</span></span>
                        </label>
                    ))}
                    <label class="choice">
                        <input type="radio" name="scope" checked={own} onChange={() => setOwn(true)} />
                        <span>{T.scopeOwn}</span>
                    </label>
                </fieldset>
            )}
            {own && <TextField label={T.pattern} name="pattern" value={pattern} onValue={setPattern} hint={T.patternHint[list]} mono required focus={!scopes.length} />}
            <div class="grid" style={{ '--least': '200px' }}>
                <SelectField label={T.expires} name="expires" value={expires} onValue={setExpires} options={EXPIRES} />
                {both && <SelectField label={T.direction} name="direction" value={way} onValue={setWay} options={DIRECTIONS} />}
                {list === 'allow' && pattern.includes('@') && <SelectField label={T.require} name="require" value={require} onValue={setRequire} options={REQUIRES} hint={T.requireHint} />}
            </div>
            <TextField label={T.comment} name="comment" value={comment} onValue={setComment} hint={T.commentHint} />
        </Dialog>
    )
}

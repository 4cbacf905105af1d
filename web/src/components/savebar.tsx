// SPDX-License-Identifier: Apache-2.0
// What is changed and not applied: how many, how it would have decided, the difference, and applying it.
import { useLayoutEffect, useState } from 'preact/hooks'
import { Problem } from '../lib/api'
import type { Draft } from '../lib/draft'
import { plural } from '../lib/format'
import { useMay } from '../lib/session'
import { texts } from '../texts'
import { Dialog } from './dialog'
import { ReplayDialog } from './replay'
import { shown } from './setting'
import { Banner, Button } from './ui'

const T = texts.settings
export function SaveBar({ draft, preview = true }: { draft: Draft; preview?: boolean }) {
    const [open, setOpen] = useState<'' | 'review' | 'replay'>('')
    const [refused, setRefused] = useState<HTMLElement | null>(null)
    const operator = useMay('operator')
    const keys = Object.keys(draft.changes)
    const fieldOf = (key: string): HTMLElement | null => document.querySelector<HTMLElement>(`[data-setting="${key}"] [id]:is(input,select,textarea)`)
    const show = (what: 'review' | 'replay'): void => {
        const wrong = keys.find(key => Number.isNaN(draft.changes[key]))
        if (draft.sound()) setOpen(what)
        else if (wrong) fieldOf(wrong)?.focus()
    }
    /** What was refused is said beside its field, where it can be mended; in the dialog only what has none on this page. */
    const apply = async (): Promise<void> => {
        try {
            await draft.apply()
        } catch (error) {
            const field = error instanceof Problem && error.field && error.status === 400 ? fieldOf(error.field) : null
            if (!field) throw error
            setRefused(field)
        }
    }
    // Once the dialog, without which nothing else can have it, has given the focus back.
    useLayoutEffect(() => {
        if (open || !refused) return
        refused.focus()
        setRefused(null)
    }, [open, refused])
    const diff = (
        <ul class="stack tight">
            {keys.map(key => {
                const item = draft.get(key)
                return item && (
                    <li class="diff" key={key}>
                        <code>{key}</code>
                        <del><span class="hidden">{T.before} </span>{shown(item, item.value)}</del>
                        <ins><span class="hidden">{T.after} </span>{shown(item, draft.value(key))}</ins>
                    </li>
                )
            })}
        </ul>
    )
    return (
        <>
            {draft.warnings.map(text => <Banner key={text}>{text}</Banner>)}
            {keys.length > 0 && (
                <div class="savebar" role="region" aria-label={T.unsaved}>
                    <p>{plural(keys.length, T.changes)}</p>
                    <Button onClick={draft.discard}>{T.discard}</Button>
                    {preview && operator && <Button icon="eye" onClick={() => show('replay')}>{T.preview}</Button>}
                    <Button kind="primary" onClick={() => show('review')}>{T.review}</Button>
                </div>
            )}
            {open === 'review' && (
                <Dialog title={T.reviewTitle} submit={T.apply} onClose={() => setOpen('')} onSubmit={apply}>
                    {diff}
                    {keys.some(key => draft.get(key)?.applies === 'at restart') && <Banner kind="info" icon="about">{T.someRestart}</Banner>}
                </Dialog>
            )}
            {open === 'replay' && <ReplayDialog proposal={{ settings: draft.changes }} onClose={() => setOpen('')} onApply={apply} />}
        </>
    )
}

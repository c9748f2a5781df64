/* SPDX-License-Identifier: BSD-2-Clause */
/* weir completion: what makes a shell ask weir itself how a command line may go on. */
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cmds.h"
#include "cli/complete.h"
#include "cli/opts.h"

/* Between words of a line bash has "=" as a word of its own. */
static const char bash[] =
	"# bash completion of weir(8), made by: weir completion bash\n"
	"_weir()\n"
	"{\n"
	"	local word help cur=${COMP_WORDS[COMP_CWORD]}\n"
	"\n"
	"	[ \"$cur\" = = ] && cur=\n"
	"	COMPREPLY=()\n"
	"	while IFS=$'\\t' read -r word help; do\n"
	"		if [ \"$word\" = " COMPLETE_FILES " ]; then\n"
	"			compopt -o filenames 2>/dev/null\n"
	"			while IFS= read -r word; do\n"
	"				COMPREPLY+=(\"$word\")\n"
	"			done < <(compgen -f -- \"$cur\")\n"
	"		else\n"
	"			COMPREPLY+=(\"$word\")\n"
	"		fi\n"
	"	done < <(\"${COMP_WORDS[0]}\" completion words \"${COMP_WORDS[@]:1:COMP_CWORD}\" "
	"2>/dev/null)\n"
	"}\n"
	"complete -F _weir weir\n";

static const char zsh[] =
	"#compdef weir\n"
	"# zsh completion of weir(8), made by: weir completion zsh\n"
	"_weir()\n"
	"{\n"
	"	local -a found\n"
	"	local word help files\n"
	"\n"
	"	while IFS=$'\\t' read -r word help; do\n"
	"		if [[ $word == " COMPLETE_FILES " ]]; then\n"
	"			files=1\n"
	"		else\n"
	"			found+=(\"${word//:/\\\\:}${help:+:$help}\")\n"
	"		fi\n"
	"	done < <(\"${words[1]}\" completion words \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
	"	(( $#found )) && _describe weir found\n"
	"	if [[ -n $files ]]; then\n"
	"		compset -P '--*='\n"
	"		_files\n"
	"	fi\n"
	"}\n"
	"if [[ $funcstack[1] == _weir ]]; then\n"
	"	_weir \"$@\"\n"
	"else\n"
	"	compdef _weir weir\n"
	"fi\n";

static const char fish[] =
	"# fish completion of weir(8), made by: weir completion fish\n"
	"function __weir_complete\n"
	"	set -l line (commandline -opc)\n"
	"	set -l cur (commandline -ct)\n"
	"	for found in ($line[1] completion words $line[2..-1] \"$cur\" 2>/dev/null)\n"
	"		if test \"$found\" = " COMPLETE_FILES "\n"
	"			__fish_complete_path (string replace -r '^--[^=]*=' '' -- "
	"\"$cur\")\n"
	"		else\n"
	"			echo $found\n"
	"		end\n"
	"	end\n"
	"end\n"
	"complete -c weir -f -a '(__weir_complete)'\n";

static const struct {
	const char *shell, *script;
} scripts[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};

int cmd_completion(int argc, char **argv)
{
	static const struct arg table[] = {OPT_END};
	int rc, words;

	/* What the scripts ask; the words of a line that is being typed are nobody's options. */
	if (argc > 1 && !strcmp(argv[1], "words")) {
		complete(weir_cmds, argv + 2, argc - 2, stdout);
		return 0;
	}
	rc = args_parse(
		argc, argv, table,
		"usage: weir completion bash|zsh|fish\n\n"
		"Prints what makes the shell complete command lines of weir: subcommands,\n"
		"options, their choices, interfaces, files. It asks weir each time, and so\n"
		"knows what the installed one does. Packages install it; by hand:\n\n"
		"  source <(weir completion bash)\n\n",
		&words);
	if (rc)
		return rc == ARGS_HELP ? 0 : 2;
	for (size_t i = 0; words == 1 && i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		if (strcmp(argv[1], scripts[i].shell))
			continue;
		fputs(scripts[i].script, stdout);
		return 0;
	}
	fprintf(stderr, "weir completion: for which shell? bash, zsh or fish\n");
	return 2;
}

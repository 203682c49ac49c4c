--- `completion` and `manual`: what a shell completes, and the man page, both from what the commands declare.

local leadcat = require "leadcat"

local shell = {}

local COMPLETIONS = { bash = "get_bash_complete", zsh = "get_zsh_complete", fish = "get_fish_complete" }

local function run_completion(args, _, parser)
  return {}, function() return parser[COMPLETIONS[args.shell]](parser) end
end

shell.completion = {
  name = "completion", run = run_completion,
  summary = "Print what bash, zsh or fish completes leadcat's commands and options by.",
  arguments = function(command)
    command:argument("shell", "The shell: source <(leadcat completion bash)."):choices { "bash", "fish", "zsh" }
  end,
}

-- The man page --------------------------------------------------------------------------------------------------------

local HEAD = [[
.TH LEADCAT 1 "" "leadcat $version" "User commands"
.SH NAME
leadcat \- keeps a CRM's company categories right by itself
.SH SYNOPSIS
.B leadcat
.I COMMAND
[\fIOPTION\fR ...]
.SH DESCRIPTION
When a sale is registered, won or lost, or a contact's lead status is set, leadcat sets the company's category, at
once or after a user has confirmed. This command makes stores, looks after them, and tries rules on events. Most
commands take the directory of a store, \fB\-\-path\fR. With \fB\-\-json\fR they print JSON.
.PP
Without \fB\-\-json\fR, control characters in names are shown as they are written, never sent to the terminal.
.SH COMMANDS
]]

local TAIL = [[
.SH EXIT STATUS
.TP
.B 0
done
.TP
.B 1
a failed run; the message is on standard error
.TP
.B 2
wrong usage
.TP
.B 130
interrupted by Ctrl\-C
.SH ENVIRONMENT
.TP
.BR USER ", " LOGNAME
who changes rules, as the journal and the versions of the rules say
.SH EXAMPLES
A store with the categories of a preset, for a service's user:
.PP
.EX
leadcat init \-\-path /var/lib/leadcat \-\-owner www\-data
.EE
.PP
The rules, to be edited and saved again:
.PP
.EX
leadcat config export \-\-path /var/lib/leadcat \-\-output rules.json
leadcat config import \-\-path /var/lib/leadcat rules.json
.EE
.PP
What is wrong with the rules, and with the store:
.PP
.EX
leadcat check \-\-store \-\-path /var/lib/leadcat
.EE
.PP
What bash completes:
.PP
.EX
source <(leadcat completion bash)
.EE
]]

-- Text as troff takes it: nothing in it is an instruction.
local function plain(text)
  local lines = ("\n" .. text):gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("\n([.'])", "\n\\&%1")
  return lines:sub(2)
end

-- The lines that tell an option or argument.
local function element(one)
  return (".TP\n.B %s\n%s\n"):format(plain(table.concat(one:_get_label_lines(), " "):gsub("%s+", " ")),
    plain(one:_get_description()))
end

local function elements(list, hidden)
  local lines = {}
  for _, one in ipairs(list) do
    lines[#lines + 1] = one._name ~= hidden and element(one) or nil
  end
  return table.concat(lines)
end

-- The sections of all commands, those of a command that has its own behind it.
local function commands(parser, prefix)
  local sections = {}
  for _, command in ipairs(parser._commands) do
    local name = prefix .. command._name
    sections[#sections + 1] = (".SS %s\n%s\n"):format(plain(name), plain(command:_get_description()))
      .. elements(command._arguments) .. elements(command._options, "-h") .. commands(command, name .. " ")
  end
  return table.concat(sections)
end

local function run_manual(_, _, parser)
  return {}, function()
    local head = HEAD:gsub("$version", leadcat._VERSION)
    return head .. commands(parser, "") .. ".SH OPTIONS\n" .. elements(parser._options) .. TAIL
  end
end

shell.manual = {
  name = "manual", summary = "Print the man page: leadcat manual | man -l -.", run = run_manual,
}

return shell

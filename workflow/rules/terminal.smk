# Takes: Snakemake's log records.
# Gives: the terminal of a run (persona_collapse/terminal), in place of what Snakemake itself prints.
# Snakemake looks for logger plugins among installed packages, and a profile that names a missing one
# stops every command; so the handler is replaced here, which works however Snakemake was installed.

import logging

from snakemake.logging import logger as LOGGER
from snakemake.settings.enums import Quietness

from persona_collapse.terminal.handler import RunHandler

TERMINAL = None
output = workflow.output_settings
for handler in list(LOGGER.handlers):
    # No such handler: `--logger` chose one that writes to the terminal. A module's Snakefile leaves
    # the terminal to its workflow. Whoever wants details, or a plan of jobs, gets Snakemake's own.
    if (
        handler.name == "DefaultStreamHandler"
        and workflow.is_main_process
        and workflow.modifier.is_main_snakefile()
        and not (output.dryrun or output.verbose or output.debug_dag or output.printshellcmds)
    ):
        quiet = output.quiet or set()
        TERMINAL = RunHandler(
            handler,
            colour=not output.nocolor,
            quiet=Quietness.PROGRESS in quiet,
            silent=Quietness.ALL in quiet,
        )
        LOGGER.removeHandler(handler)
        LOGGER.addHandler(TERMINAL)

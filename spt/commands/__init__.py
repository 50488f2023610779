"""The commands of ``python -m spt``, one file each.

A command is a function that adds its arguments and sets ``run``; `COMMANDS` lists them. ``run`` takes the arguments
and returns the text for standard output; whatever else is printed meanwhile goes to standard error. Imports that cost
seconds are inside the functions, so that ``--help`` is fast.
"""

from spt.commands import app, attack, bound, certify, inventory, invert, measure, predict, run, status, train, verify

COMMANDS = (
    predict.add,
    certify.add,
    verify.add,
    measure.add,
    attack.add,
    bound.add,
    invert.add,
    run.add,
    train.add,
    inventory.add,
    app.add,
    status.add,
)
"""What adds each command to the parser, in the order of the help."""

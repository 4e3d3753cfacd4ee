"""One task on one node, in a process of its own: `python -m alphamed_tutorials.playground.child FOLDER`.

The agent makes FOLDER, with `child.json` (see `assignment.py`) and `code/` in it: the unpacked `src.zip`, or for
`"kind": "verify"` the file `DatasetVerify.py`; for `"kind": "export"` there is `model.pt` too. The child makes the rest, and writes nowhere else:

    work/        its working folder and home
    tmp/         temporary files
    root/        in the place of /data/alphamed-federated: root/result/report.zip, root/result/model.pt
    logs/        logs/NAME.log, NAME being the node's own
    snapshots/   what a child started again goes on from
    verdict.json of a verification and of an export: {"ok", "reason"}; an export leaves root/model.FORM

It ends with 0 when the scheduler's `_run` returned, with 1 after an event `failed` was posted, otherwise it was killed.
To go on, the agent starts it again in the same folder.

Events, posted to BASE/playground/event, each with `kind`:

    started       round, rounds
    round_started round
    training, trained   round
    distributed   bytes: the size of the parameters sent
    round_done    round, rows: [[name, value], …], all that was logged in this round; sent again after a restart
    warning       text
    failed        text, type, said (by the exception), round, file (relative to code/, null for a library's), line, is_about_data, peer (or null)
"""

"""The same scheduler on Flower's deployment engine: a SuperLink, and a SuperNode for each data owner.

    engine.py     what `playground run --engine flower` and `playground resume` do: hand a run to a SuperLink, follow it
    events.py     what it tells meanwhile
    keys.py       certificates and keys for one run
    local.py      a SuperLink and SuperNodes on this machine, with certificates and keys made for them
    control.py    what is asked of a SuperLink: who is there, start this, how does it stand
    server.py     the ServerApp: the aggregator, and what averages, writes checkpoints and journal on the local engine too
    supernodes.py its data owners, each behind a SuperNode
    client.py     the ClientApp: one data owner, from its state on disk and back to it in each message
    home.py       the folder in which a data owner keeps what it keeps
    wire.py       what they say to each other: typed records, never pickles of a peer's

Everything in here needs Flower, and is imported only where it is asked for.
"""

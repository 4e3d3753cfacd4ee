"""How long a round takes, from the size of a message, the link and how long each owner trains."""

# --8<-- [start:estimate]
import numpy as np

PUSH = 0.2  # seconds that the SDK sleeps after each message


def round_seconds(message, megabits, training, push=PUSH):
    # a message in bytes, a link in Mbit/s, the seconds that each owner trains
    one = 8 * message / (megabits * 1e6)  # seconds for one message
    owners = np.shape(training)[-1]
    sent = one + owners * one  # up once, down to each owner
    returned = one + queued(training, max(one, push))
    return 5 * push + sent + returned


def queued(times, each):
    # when the last one is done, if they come at these times and queue
    behind = np.arange(np.shape(times)[-1], 0, -1)  # and oneself
    return (np.sort(times) + each * behind).max(-1)


# --8<-- [end:estimate]


# --8<-- [start:groups]
def round_in_groups(message, megabits, training, groups, push=PUSH):
    # each group has an aggregator, which passes one mean on to the last
    one = 8 * message / (megabits * 1e6)
    members = np.reshape(training, (*np.shape(training)[:-1], groups, -1))
    means = round_seconds(message, megabits, members, push)
    return 5 * push + one + groups * one + one + queued(means, max(one, push))


# --8<-- [end:groups]

if __name__ == "__main__":
    # --8<-- [start:mine]
    rng = np.random.default_rng(1)
    # 500 hospitals, 200 rounds; half need more than a minute, one in twenty 2.3 minutes
    training = 60 * rng.lognormal(0, 0.5, size=(200, 500))
    for megabits in 10, 100, 1000:
        flat = np.median(round_seconds(14e6, megabits, training)) / 60
        grouped = np.median(round_in_groups(14e6, megabits, training, groups=20)) / 60
        print(f"{megabits:4} Mbit/s: {flat:6.1f} minutes, in groups {grouped:4.1f}")
    # --8<-- [end:mine]

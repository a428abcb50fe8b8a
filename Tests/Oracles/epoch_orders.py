"""Orders of rows in an epoch, computed without the project's code.

Run from the project's root:  python Tests/Oracles/epoch_orders.py
It prints the lines that Tests/PreferenceDataTests/EpochPlanTests.swift holds. The first line checks the generator
against the numbers published for seed 1234567: 6457827717110365317 3203168211198807973.
"""

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix(value):
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def stream(seed):
    state = seed & MASK
    while True:
        state = (state + GOLDEN) & MASK
        yield mix(state)


def order(count, seed, epoch):
    numbers = stream(mix((seed + GOLDEN * (epoch + 1)) & MASK))
    rows = list(range(count))
    for last in range(count - 1, 0, -1):
        other = (next(numbers) * (last + 1)) >> 64
        rows[last], rows[other] = rows[other], rows[last]
    return rows


if __name__ == "__main__":
    numbers = stream(1234567)
    print(next(numbers), next(numbers))
    for seed, epoch in ((42, 0), (42, 1), (-1, 0)):
        print((seed, epoch, order(10, seed, epoch)))

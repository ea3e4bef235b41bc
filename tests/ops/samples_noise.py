"""Samples of the ops that put random numbers in an operand's place."""

from sampling import Sample, uniform

u = uniform
# The values drawn are a param; the operand's gradient is zero whatever they are. A narrow run of
# the same sample keeps the values' type, as the engine does.
NAMES = (
    "uniform_noise", "normal_noise", "normal_around", "exponential_noise", "cauchy_noise",
    "log_normal_noise", "geometric_noise", "integer_noise", "bernoulli_noise", "bernoulli_by",
    "poisson_by",
)  # fmt: skip
SAMPLES = {
    name: [Sample((u(3, 4),), (u(3, 4, seed=place),)), Sample((u(),), (u(seed=place),))]
    for place, name in enumerate(NAMES)
}

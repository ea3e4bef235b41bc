"""The questions asked of torch.distributions, as expressions that both libraries evaluate.

In an expression `d` is the module of distributions, `c` its constraints, `t` its transforms, and
`k(...)` a tensor of given float64 values that requires a gradient; `f(...)` is one of float32
without.
"""

from __future__ import annotations

import warnings
from typing import Any

# Each distribution, with values inside its support.
DISTRIBUTIONS: dict[str, str] = {
    "d.Normal(k([0.5, -1.0, 2.0]), k([1.0, 0.3, 2.5]))": "f([0.1, 2.0, -3.0])",
    "d.Normal(0.0, 2.0)": "f([0.5, -4.0])",
    "d.Normal(k([[0.0], [1.0]]), k([1.0, 2.0]))": "f([0.3])",
    "d.Uniform(k([-1.0, 0.0]), k([1.0, 4.0]))": "f([0.5, 3.0])",
    "d.Bernoulli(k([0.2, 0.5, 0.9]))": "f([1.0, 0.0, 1.0])",
    "d.Bernoulli(logits=k([[-1.0], [0.7]]))": "f([1.0])",
    "d.Categorical(k([0.2, 0.3, 0.5]))": "f([2, 0, 1]).long()",
    "d.Categorical(logits=k([[0.1, -1.0, 2.0, 0.4], [1.0, 1.0, 1.0, 0.0]]))": "f([3, 1]).long()",
    "d.Multinomial(7, k([0.2, 0.3, 0.5]))": "f([2.0, 4.0, 1.0])",
    "d.Multinomial(4, logits=k([[0.0, 1.0], [0.5, -0.5]]))": "f([[1.0, 3.0], [4.0, 0.0]])",
    "d.Multinomial(100, k([1.0] * 6) / 6)": "f([20.0, 10.0, 10.0, 20.0, 20.0, 20.0]).double()",
    "d.Binomial(10, k([0.1, 0.5, 0.8]))": "f([2.0, 5.0, 10.0])",
    "d.Binomial(f([3.0, 12.0]), logits=k([0.3, -1.0]))": "f([1.0, 7.0])",
    "d.Poisson(k([0.4, 3.0, 30.0]))": "f([0.0, 2.0, 33.0])",
    "d.Exponential(k([0.5, 3.0]))": "f([0.2, 1.5])",
    "d.Gamma(k([0.6, 2.0, 9.0]), k([1.0, 0.5, 3.0]))": "f([0.4, 3.0, 2.5])",
    "d.Beta(k([0.7, 2.0]), k([3.0, 5.0]))": "f([0.1, 0.6])",
    "d.Beta(2.0, 3.0)": "f([0.25])",
    "d.Dirichlet(k([0.5, 2.0, 4.0]))": "f([0.125, 0.375, 0.5])",
    "d.Dirichlet(k([[1.5, 3.0], [4.0, 0.8]]))": "f([0.25, 0.75])",
    "d.Laplace(k([0.0, 1.0]), k([1.0, 0.4]))": "f([0.7, -0.2])",
    "d.Cauchy(k([0.0, 1.0]), k([1.0, 0.4]))": "f([0.7, -0.2])",
    "d.LogNormal(k([0.0, 0.5]), k([1.0, 0.4]))": "f([0.7, 2.2])",
    "d.Geometric(k([0.2, 0.6]))": "f([3.0, 0.0])",
    "d.Geometric(logits=k([0.2, -0.6]))": "f([3.0, 0.0])",
    "d.HalfNormal(k([1.0, 2.5]))": "f([0.7, 2.2])",
    "d.HalfCauchy(k([1.0, 2.5]))": "f([0.7, 2.2])",
    "d.MultivariateNormal(k([0.5, -1.0]), k([[2.0, 0.3], [0.3, 0.5]]))": "f([0.7, 2.2])",
    "d.MultivariateNormal(k([0.5, -1.0]), scale_tril=k([[2.0, 0.0], [0.3, 0.5]]))": "f([0.7, 2.2])",
    "d.LowRankMultivariateNormal(k([0.5, -1.0]), k([[1.0], [0.4]]), k([0.3, 2.0]))":
        "f([0.7, 2.2])",
    "d.LowRankMultivariateNormal(k([[0.5, 1.0, 2.0]] * 2), k([[1.0, 0.2], [0.4, 0.1], [0.0, 1.0]]),"
    " k([0.3, 2.0, 1.0]))": "f([0.7, 2.2, -1.0])",
    "d.VonMises(f([0.5, -1.0]), f([0.3, 3.0]))": "f([0.7, -1.2])",
    "d.LKJCholesky(3, k([0.5, 2.0]))": "f([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.6, 0.8]])",
    "d.MultivariateNormal(k([[0.5, -1.0]]), precision_matrix=k([[2.0, 0.3], [0.3, 0.5]]))":
        "f([[0.7, 2.2], [0.0, 0.0]])",
    "d.Independent(d.Normal(k([[0.5, -1.0]]), k([[2.0, 0.3]])), 1)": "f([0.7, -1.2])",
    "d.Independent(d.Bernoulli(k([[0.5, 0.1]])), 2)": "f([[0.0, 1.0]])",
    "d.StudentT(k([1.0, 3.0]), k([0.0, 1.0]), k([1.0, 2.0]))": "f([0.7, 2.2])",
    "d.Gumbel(k([0.5, -1.0]), k([1.0, 2.0]))": "f([0.7, 2.2])",
    "d.Chi2(k([1.0, 4.0]))": "f([0.7, 2.2])",
    "d.TransformedDistribution(d.Normal(k([0.0, 1.0]), k([1.0, 0.5])), [t.ExpTransform()])":
        "f([0.7, 2.2])",
    "d.TransformedDistribution(d.Uniform(k([0.0]), k([1.0])),"
    " [t.SigmoidTransform().inv, t.AffineTransform(1.0, -2.0)])": "f([0.7, -2.2])",
    "d.TransformedDistribution(d.Normal(k([0.0, 1.0]), k([1.0, 0.5])),"
    " t.StickBreakingTransform())": "f([0.2, 0.3, 0.5])",
    "d.Pareto(k([1.0, 2.0]), k([3.0, 2.5]))": "f([1.7, 2.2])",
    "d.Weibull(k([1.0, 2.0]), k([3.0, 1.5]))": "f([1.7, 2.2])",
    "d.InverseGamma(k([2.5, 4.0]), k([3.0, 1.5]))": "f([1.7, 2.2])",
    "d.FisherSnedecor(k([3.0, 4.0]), k([5.0, 9.0]))": "f([1.7, 2.2])",
    "d.NegativeBinomial(k([3.0, 4.0]), k([0.3, 0.6]))": "f([1.0, 4.0])",
    "d.OneHotCategorical(k([[0.3, 0.6, 0.1]]))": "f([[0.0, 0.0, 1.0]])",
    "d.OneHotCategoricalStraightThrough(k([0.3, 0.6, 0.1]))": "f([0.0, 0.0, 1.0])",
    "d.LogisticNormal(k([0.0, 1.0]), k([1.0, 0.5]))": "f([0.2, 0.3, 0.5])",
    "d.RelaxedBernoulli(f([0.7]), k([0.3, 0.6]))": "f([0.2, 0.9])",
    "d.RelaxedOneHotCategorical(f([0.7]), k([0.3, 0.6, 0.1]))": "f([0.2, 0.3, 0.5])",
    "d.ContinuousBernoulli(k([0.1, 0.5, 0.9]))": "f([0.2, 0.7, 1.0])",
    "d.ContinuousBernoulli(logits=k([[-1.0], [0.001]]))": "f([0.3])",
    "d.GeneralizedPareto(f([0.0, 1.0, 0.5]), f([1.0, 0.5, 2.0]), f([0.2, 0.0, -0.4]))":
        "f([0.7, 1.2, 0.9])",
    "d.Wishart(f([3.5, 4.0]), f([[2.0, 0.3], [0.3, 0.5]]))": "f([[1.7, 0.2], [0.2, 2.5]])",
    "d.Wishart(f(5.0), scale_tril=f([[1.0, 0.0, 0.0], [0.3, 0.5, 0.0], [0.1, 0.2, 2.0]]))":
        "f([[1.7, 0.2, 0.0], [0.2, 2.5, 0.1], [0.0, 0.1, 3.0]])",
    "d.Kumaraswamy(k([2.0, 1.5]), k([3.0, 0.5]))": "f([0.2, 0.9])",
    "d.MixtureSameFamily(d.Categorical(k([0.3, 0.7])), d.Normal(k([0.0, 3.0]), k([1.0, 0.5])))":
        "f([0.2, 3.3])",
    "d.MixtureSameFamily(d.Categorical(k([0.3, 0.7])),"
    " d.Independent(d.Normal(k([[0.0, 1.0], [3.0, 4.0]]), k([[1.0, 0.5], [2.0, 2.0]])), 1))":
        "f([[0.2, 3.3], [1.0, 1.0]])",
}  # fmt: skip
MEASURES = (
    "x", "x.batch_shape, x.event_shape, x.has_rsample, x.has_enumerate_support", "x.support",
    "x.sample()", "x.sample((2, 3))", "x.rsample((4,))", "x.log_prob(v)", "x.mean", "x.mode",
    "x.variance", "x.stddev", "x.entropy()", "x.cdf(v)", "x.icdf(f([0.3]))", "x.perplexity()",
    "x.enumerate_support()", "x.enumerate_support(expand=False)",
    "x.expand(torch.Size([3]) + x.batch_shape)",
    "x.expand(torch.Size([2]) + x.batch_shape).sample().shape",
    "x.expand(torch.Size([2]) + x.batch_shape).log_prob(v)",
)  # fmt: skip
PAIRS = (
    "d.Normal(k([0.5, -1.0]), k([1.0, 0.3])), d.Normal(k([0.1, 1.0]), k([2.0, 0.4]))",
    "d.Bernoulli(k([0.2, 0.0, 1.0])), d.Bernoulli(k([0.5, 0.1, 0.4]))",
    "d.Bernoulli(k([0.2, 0.5])), d.Bernoulli(f([0.0, 1.0]))",
    "d.Beta(k([2.0]), k([3.0])), d.Beta(k([0.5]), k([1.5]))",
    "d.Binomial(5, k([0.3])), d.Binomial(5, k([0.6]))",
    "d.Binomial(5, k([0.3])), d.Binomial(6, k([0.6]))",
    "d.Categorical(k([0.3, 0.7])), d.Categorical(k([0.6, 0.4]))",
    "d.OneHotCategorical(k([0.3, 0.7])), d.OneHotCategorical(k([0.6, 0.4]))",
    "d.Dirichlet(k([1.0, 2.0, 3.0])), d.Dirichlet(k([2.0, 0.5, 1.0]))",
    "d.Exponential(k([2.0])), d.Exponential(k([3.0]))",
    "d.Gamma(k([2.0]), k([1.0])), d.Gamma(k([3.0]), k([0.4]))",
    "d.Chi2(k([2.0])), d.Chi2(k([3.0]))",
    "d.Gumbel(k([0.5]), k([1.0])), d.Gumbel(k([0.1]), k([2.0]))",
    "d.Geometric(k([0.3])), d.Geometric(k([0.6]))",
    "d.HalfNormal(k([0.3])), d.HalfNormal(k([0.6]))",
    "d.Laplace(k([0.5]), k([1.0])), d.Laplace(k([0.1]), k([2.0]))",
    "d.Cauchy(k([0.5]), k([1.0])), d.Cauchy(k([0.1]), k([2.0]))",
    "d.Pareto(k([2.0]), k([1.5])), d.Pareto(k([1.0]), k([2.0]))",
    "d.Poisson(k([2.0])), d.Poisson(k([3.0]))",
    "d.Uniform(k([0.2]), k([0.8])), d.Uniform(k([0.0]), k([1.0]))",
    "d.Uniform(k([0.2]), k([1.8])), d.Uniform(k([0.0]), k([1.0]))",
    "d.LogNormal(k([0.5]), k([1.0])), d.LogNormal(k([0.1]), k([2.0]))",
    "d.LowRankMultivariateNormal(k([0.5, -1.0]), k([[1.0], [0.4]]), k([0.3, 2.0])),"
    " d.MultivariateNormal(k([0.0, 0.2]), k([[1.0, 0.1], [0.1, 1.5]]))",
    "d.MultivariateNormal(k([0.0, 0.2]), k([[1.0, 0.1], [0.1, 1.5]])),"
    " d.LowRankMultivariateNormal(k([0.5, -1.0]), k([[1.0], [0.4]]), k([0.3, 2.0]))",
    "d.LowRankMultivariateNormal(k([0.5, -1.0]), k([[1.0], [0.4]]), k([0.3, 2.0])),"
    " d.LowRankMultivariateNormal(k([0.1, 1.0]), k([[0.5], [0.4]]), k([1.0, 2.0]))",
    "d.MultivariateNormal(k([0.5, 0.0]), k([[2.0, 0.3], [0.3, 0.5]])),"
    " d.MultivariateNormal(k([0.0, 0.2]), k([[1.0, 0.1], [0.1, 1.5]]))",
    "d.Independent(d.Normal(k([0.5, -1.0]), k([1.0, 0.3])), 1),"
    " d.Independent(d.Normal(k([0.1, 1.0]), k([2.0, 0.4])), 1)",
    "d.Bernoulli(k([0.3])), d.Poisson(k([0.6]))",
    "d.Beta(k([2.0]), k([3.0])), d.Exponential(k([1.5]))",
    "d.Beta(k([2.0]), k([3.0])), d.Gamma(k([1.5]), k([0.7]))",
    "d.Beta(k([2.0]), k([3.0])), d.Normal(k([1.5]), k([0.7]))",
    "d.Beta(k([2.0]), k([3.0])), d.Uniform(k([0.0]), k([1.7]))",
    "d.Beta(k([2.0]), k([3.0])), d.Pareto(k([0.1]), k([1.7]))",
    "d.Exponential(k([2.0])), d.Gamma(k([3.0]), k([1.5]))",
    "d.Exponential(k([2.0])), d.Gumbel(k([3.0]), k([1.5]))",
    "d.Exponential(k([2.0])), d.Normal(k([3.0]), k([1.5]))",
    "d.Exponential(k([2.0])), d.Uniform(k([3.0]), k([4.5]))",
    "d.Gamma(k([2.0]), k([0.8])), d.Exponential(k([1.5]))",
    "d.Gamma(k([2.0]), k([0.8])), d.Gumbel(k([1.5]), k([1.2]))",
    "d.Gamma(k([2.0]), k([0.8])), d.Normal(k([1.5]), k([1.2]))",
    "d.Gamma(k([2.0]), k([0.8])), d.Beta(k([1.5]), k([1.2]))",
    "d.Gumbel(k([2.0]), k([0.8])), d.Normal(k([1.5]), k([1.2]))",
    "d.Gumbel(k([2.0]), k([0.8])), d.Uniform(k([0.5]), k([1.2]))",
    "d.Laplace(k([2.0]), k([0.8])), d.Normal(k([1.5]), k([1.2]))",
    "d.Laplace(k([2.0]), k([0.8])), d.Gamma(k([1.5]), k([1.2]))",
    "d.Normal(k([2.0]), k([0.8])), d.Gumbel(k([1.5]), k([1.2]))",
    "d.Normal(k([2.0]), k([0.8])), d.Laplace(k([1.5]), k([1.2]))",
    "d.Normal(k([2.0]), k([0.8])), d.Exponential(k([1.5]))",
    "d.Pareto(k([2.0]), k([3.8])), d.Exponential(k([1.5]))",
    "d.Pareto(k([2.0]), k([3.8])), d.Gamma(k([1.5]), k([0.5]))",
    "d.Pareto(k([2.0]), k([3.8])), d.Normal(k([1.5]), k([0.5]))",
    "d.Poisson(k([2.0])), d.Bernoulli(k([0.5]))",
    "d.Uniform(k([0.2]), k([0.8])), d.Beta(k([1.5]), k([0.5]))",
    "d.Uniform(k([0.2]), k([0.8])), d.Exponential(k([1.5]))",
    "d.Uniform(k([0.2]), k([0.8])), d.Gamma(k([1.5]), k([0.5]))",
    "d.Uniform(k([0.2]), k([0.8])), d.Gumbel(k([1.5]), k([0.5]))",
    "d.Uniform(k([0.2]), k([0.8])), d.Normal(k([1.5]), k([0.5]))",
    "d.Uniform(k([0.2]), k([0.8])), d.Pareto(k([0.1]), k([0.5]))",
    "d.Normal(0.0, 1.0), d.Bernoulli(0.5)",
    "d.Categorical(k([0.3, 0.7])), d.Normal(0.0, 1.0)",
)
TRANSFORMS = {
    "t.ExpTransform()": "k([0.3, -1.0])", "t.SigmoidTransform()": "k([0.3, -1.0])",
    "t.TanhTransform()": "k([0.3, -1.0])", "t.SoftplusTransform()": "k([0.3, -1.0])",
    "t.PowerTransform(f(2.0))": "k([0.3, 1.0])", "t.AffineTransform(1.0, -3.0)": "k([0.3, 1.0])",
    "t.AffineTransform(f([1.0, 2.0]), f([2.0, -3.0]), event_dim=1)": "k([0.3, 1.0])",
    "t.ComposeTransform([t.ExpTransform(), t.AffineTransform(0.0, 2.0), t.TanhTransform()])":
        "k([0.3, -1.0])",
    "t.ExpTransform().inv": "k([0.3, 1.0])", "t.AbsTransform()": "k([0.3, 1.0])",
    "t.StickBreakingTransform()": "k([[0.3, 1.0, -0.5]])", "t.SoftmaxTransform()": "k([0.3, 1.0])",
    "t.LowerCholeskyTransform()": "k([[0.3, 1.0], [2.0, -1.0]])",
    "t.PositiveDefiniteTransform()": "k([[0.3, 1.0], [2.0, -1.0]])",
    "t.CorrCholeskyTransform()": "k([0.3, 1.0, -0.4])",
    "t.ReshapeTransform((2, 2), (4,))": "k([[0.3, 1.0], [2.0, -1.0]])",
    "t.IndependentTransform(t.ExpTransform(), 1)": "k([0.3, -1.0])",
    "t.StackTransform([t.ExpTransform(), t.TanhTransform()])": "k([0.3, -1.0])",
    "t.CatTransform([t.ExpTransform(), t.TanhTransform()], lengths=[2, 1])": "k([0.3, -1.0, 0.1])",
    "t.CumulativeDistributionTransform(d.Normal(0.0, 1.0))": "k([0.3, -1.0])",
}  # fmt: skip
TRANSFORM_MEASURES = (
    "x, x.bijective",
    "x(v)",
    "x.inv(x(v))",
    "x.log_abs_det_jacobian(v, x(v))",
    "x.domain",
    "x.codomain",
    "x.sign",
    "x.inv",
    "x == x, x.inv.inv is x",
    "tuple(x.forward_shape(v.shape)), tuple(x.inverse_shape(x(v).shape))",
)
REGIONS = (
    "c.real", "c.positive", "c.nonnegative", "c.unit_interval", "c.simplex", "c.real_vector",
    "c.interval(-1.0, 2.0)", "c.greater_than(1.0)", "c.less_than(2.0)",
    "c.half_open_interval(0, 2)",
    "c.boolean", "c.one_hot", "c.nonnegative_integer", "c.positive_integer",
    "c.integer_interval(0, 2)", "c.multinomial(3)", "c.greater_than_eq(1)",
    "c.independent(c.positive, 1)", "c.stack([c.real, c.positive], -1)", "c.dependent",
)  # fmt: skip
MATRIX_REGIONS = (
    "c.lower_cholesky",
    "c.lower_triangular",
    "c.positive_definite",
    "c.positive_semidefinite",
    "c.symmetric",
    "c.square",
    "c.corr_cholesky",
)
TROUBLE = (
    "d.Normal(0.0, -1.0)", "d.Normal(f([0.0]), f([1.0, -1.0]))", "d.Normal('a', 1.0)",
    "d.Normal([0.0], 1.0)", "d.Normal(f([0.0, 0.0]), f([1.0, 1.0, 1.0]))",
    "d.Normal(0.0, 1.0).log_prob(3)", "d.Normal(0.0, 1.0).log_prob(f(float('nan')))",
    "d.Normal(f([0.0] * 3), 1.0).log_prob(f([0.0] * 2))", "d.Normal(0.0, 1.0).sample(3)",
    "d.Normal(0.0, -1.0, validate_args=False)", "d.Uniform(1.0, 0.0)",
    "d.Uniform(0.0, f([1.0, 2.0])).log_prob(f([0.5, 3.0]))", "d.Bernoulli()",
    "d.Bernoulli(0.5, 0.5)", "d.Bernoulli(2.0)", "d.Bernoulli(0.5).log_prob(f(0.3))",
    "d.Categorical()", "d.Categorical(f(0.5))", "d.Categorical(logits=f(0.5))",
    "d.Categorical(f([0.5, -0.5]))", "d.Categorical(f([0.5, 0.5])).log_prob(f([2]).long())",
    "d.Multinomial(f([1.0, 2.0]), f([0.5, 0.5]))", "d.Multinomial(-1, f([0.5, 0.5]))",
    "d.Multinomial(5, f([1.0, 1.0, 1.0])).log_prob(f([1.0, 2.0, 3.0]))",
    "d.Multinomial(5, f([1.0, 1.0, 1.0])).log_prob(f([1.0, 2.0]))",
    "d.Binomial(5, f([0.3])).log_prob(f(9.0))",
    "d.Binomial(f([2.0, 3.0]), f([0.3, 0.3])).entropy()",
    "d.Poisson(-1.0)", "d.Poisson(2.0).log_prob(f(-1.0))", "d.Poisson(2.0).log_prob(f(1.5))",
    "d.Poisson(2.0).rsample()", "d.Exponential(0.0)", "d.Gamma(0.0, 1.0)",
    "d.Gamma(1.0, 1.0).log_prob(f(-1.0))", "d.Beta(0.0, 1.0)", "d.Beta(1.0, 1.0).log_prob(f(1.5))",
    "d.Dirichlet(f(1.0))", "d.Dirichlet(f([1.0, -1.0]))",
    "d.Dirichlet(f([1.0, 1.0])).log_prob(f([0.5, 0.6]))", "d.Geometric(0.0)", "d.Geometric()",
    "d.LowRankMultivariateNormal(f([0.0, 0.0]), f([0.0, 0.0]), f([1.0, 1.0]))",
    "d.LowRankMultivariateNormal(f([0.0, 0.0]), f([[0.0]] * 3), f([1.0, 1.0]))",
    "d.LowRankMultivariateNormal(f([0.0, 0.0]), f([[0.0]] * 2), f([1.0] * 3))",
    "d.LKJCholesky(1)", "d.VonMises(f(0.0), f(-1.0))",
    "d.MultivariateNormal(f(0.0), f([[1.0]]))", "d.MultivariateNormal(f([0.0, 0.0]))",
    "d.MultivariateNormal(f([0.0, 0.0]), f([1.0, 1.0]))",
    "d.MultivariateNormal(f([0.0, 0.0]), f([[1.0, 2.0], [2.0, 1.0]]))",
    "d.MultivariateNormal(f([0.0, 0.0]), scale_tril=f([[1.0, 2.0], [2.0, 1.0]]))",
    "d.Independent(d.Normal(f([0.0]), 1.0), 2)", "d.TransformedDistribution(d.Normal(0.0, 1.0), 3)",
    "d.TransformedDistribution(d.Normal(0.0, 1.0), [3])",
    "d.TransformedDistribution(d.Normal(0.0, 1.0), t.StickBreakingTransform())",
    "d.LogNormal(0.0, 1.0).log_prob(f(-1.0))", "d.HalfNormal(1.0).log_prob(f(-1.0))",
    "d.MixtureSameFamily(d.Normal(0.0, 1.0), d.Normal(0.0, 1.0))",
    "d.MixtureSameFamily(d.Categorical(f([0.5, 0.5])), d.Normal(f([0.0, 1.0, 2.0]), 1.0))",
    "t.ExpTransform(cache_size=2)", "t.ReshapeTransform((2,), (3,))",
    "t.AbsTransform().log_abs_det_jacobian(f([1.0]), f([1.0]))", "t.AbsTransform().sign",
    "t.ReshapeTransform((2,), (2,)).forward_shape((3,))", "d.biject_to.register(3, None)(4)",
    "d.kl_divergence(d.Laplace(0.0, 1.0), d.Bernoulli(0.5))",
    "t.StackTransform([t.ExpTransform()])(k([0.0, 1.0]))",
    "t.StackTransform([t.ExpTransform()]).inv(k([0.0, 1.0]))",
    "t.StackTransform([t.ExpTransform()], 3)(k([0.0, 1.0]))",
    "t.StackTransform([3])",
    "t.CatTransform([t.ExpTransform()], lengths=[2])(k([0.0, 1.0, 2.0]))",
    "t.CatTransform([t.ExpTransform()], lengths=[2, 3])",
)  # fmt: skip


def questions() -> list[tuple[str, str, str]]:
    """(what `x` is, what `v` is, what is asked)."""
    rows = [(x, v, ask) for x, v in DISTRIBUTIONS.items() for ask in MEASURES]
    rows += [(f"d.kl_divergence({pair})", "0", "x") for pair in PAIRS]
    rows += [(x, v, ask) for x, v in TRANSFORMS.items() for ask in TRANSFORM_MEASURES]
    vector = "f([[0.5, 0.5], [1.0, 0.0], [2.0, -1.0], [0.0, float('nan')]])"
    matrix = "f([[[1.0, 0.0], [0.6, 0.8]], [[2.0, 1.0], [1.0, 2.0]], [[1.0, 2.0], [2.0, 1.0]]])"
    for region in REGIONS:
        rows.append((region, vector, "x, x.check(v)"))
        rows.append((region, "k([[0.5, -0.5]])", "d.biject_to(x), d.transform_to(x)"))
        rows.append((region, "k([[0.5, -0.5]])", "d.biject_to(x)(v), d.transform_to(x)(v)"))
    rows += [(region, matrix, "x, x.event_dim, x.check(v)") for region in MATRIX_REGIONS]
    return rows + [(text, "0", "x") for text in TROUBLE]


def _numbers(tensor: Any) -> list[Any]:
    digits = 9 if str(tensor.dtype).endswith("64") else 7
    flat = tensor.detach().reshape(-1).tolist()
    return [
        value if isinstance(value, (bool, int)) else float(f"{value:.{digits}g}") for value in flat
    ]


def _described(torch: Any, value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        kind = str(value.dtype).removeprefix("torch.")
        return {"dtype": kind, "shape": list(value.shape), "values": _numbers(value)}
    if isinstance(value, tuple) and not isinstance(value, torch.Size):
        return [_described(torch, one) for one in value]
    return repr(value)


def answer(torch: Any, x: str, v: str, ask: str) -> dict[str, Any]:
    """What a library makes of a question: value and gradients, or an error's type and text."""
    leaves: list[Any] = []

    def k(values: Any) -> Any:
        leaves.append(torch.tensor(values, dtype=torch.float64, requires_grad=True))
        return leaves[-1]

    names: dict[str, Any] = {"torch": torch, "d": torch.distributions, "k": k,
                             "c": torch.distributions.constraints,
                             "t": torch.distributions.transforms,
                             "f": lambda v: torch.tensor(v, dtype=torch.float32)}  # fmt: skip
    torch.manual_seed(7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            names["x"], names["v"] = eval(x, names), eval(v, names)
            result = eval(ask, names)
        except Exception as error:
            return {"error": type(error).__name__, "text": str(error)}
    return {"value": _described(torch, result), "grads": _gradients(torch, result, leaves)}


def _gradients(torch: Any, result: Any, leaves: list[Any]) -> list[Any]:
    if not isinstance(result, torch.Tensor) or not result.requires_grad or not leaves:
        return []
    weights = torch.arange(1, result.numel() + 1, dtype=result.dtype).reshape(result.shape)
    try:
        grads = torch.autograd.grad(result, leaves, weights, allow_unused=True)
    except NotImplementedError as error:
        return [str(error).splitlines()[0]]
    return [None if g is None else _numbers(g) for g in grads]

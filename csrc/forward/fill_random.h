#pragma once

#include "kernels/cpu/random.h"
#include "tensor/tensor.h"

// Random numbers into any tensor without overlap, drawn in the order of its memory, as torch does.
// Not recorded. Dtypes that torch refuses are refused in its words.
namespace chainrule::forward {

using cpu::Generator;

void random_uniform(const Tensor& t, Generator& gen, double from, double to);
void random_normal(const Tensor& t, Generator& gen, double mean, double std);
void random_exponential(const Tensor& t, Generator& gen, double lambda);
void random_log_normal(const Tensor& t, Generator& gen, double mean, double std);
void random_cauchy(const Tensor& t, Generator& gen, double median, double sigma);
void random_geometric(const Tensor& t, Generator& gen, double p);
void random_bernoulli(const Tensor& t, Generator& gen, double p);
void random_bernoulli(const Tensor& t, Generator& gen, const Tensor& p);  // p broadcasts to t
void random_integers(const Tensor& t, Generator& gen, int64_t low, int64_t high);
void random_integers_from(const Tensor& t, Generator& gen, int64_t low);
void random_integers_all(const Tensor& t, Generator& gen);

// Categories drawn with the weights in the rows of `weights` (1-D or 2-D).
Tensor random_categories(const Tensor& weights, Generator& gen, int64_t samples, bool replacement);
void random_permutation(const Tensor& t, Generator& gen);

}  // namespace chainrule::forward

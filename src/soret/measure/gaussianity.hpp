#pragma once

#include <cstddef>
#include <span>
#include <vector>

/// How far numbers are from Gaussian.
namespace soret::measure {

/// mean(z^4) - 3 for numbers of known mean 0 and variance 1: an unbiased estimate, however few they are.
double excess_kurtosis(std::span<const double> z);

/// How many of n numbers are a tail of the given fraction: at least 1, at most n - 1.
std::size_t tail_count(std::size_t n, double fraction);

/// Hill's estimate of 1 / alpha for P(|z| > u) ~ u^-alpha: the mean of ln(|z|_(i) / |z|_(k+1)) over the k
/// largest |z|, 0 < k < z.size(). Its standard error for independent numbers is estimate / sqrt(k). Infinite
/// if |z|_(k+1) is 0. Source: B. M. Hill, Ann. Statist. 3, 1163 (1975).
double hill_estimate(std::vector<double> z, std::size_t k);

/// What Hill's estimate tends to for a Gaussian when the tail is the given fraction: E ln(|z| / u) beyond the
/// quantile u, which falls to 0 with the fraction as 1 / u^2.
double gaussian_hill(double fraction);

/// Largest distance of the distribution function of z from the standard normal one.
double kolmogorov_distance(std::vector<double> z);

/// Mean of that distance for n independent standard normals, to leading order in 1/n: sqrt(pi / 2) ln 2 /
/// sqrt(n).
double gaussian_kolmogorov_distance(double n);

}  // namespace soret::measure

#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <limits>
#include <span>
#include <string>

#include "soret/measure/directions.hpp"
#include "soret/measure/sharpness.hpp"

namespace soret::measure {

/// f about x in the units of what is searched: u stands for x + A (widths * u), and the box or ball is [-1,
/// 1]^p or |u| <= 1. Keeps count and the best point. Refers to f and A.
class SearchRegion {
 public:
  /// `what` names it in messages: "the box of the sharpness".
  SearchRegion(const Differentiable& f, std::span<const double> x, const Directions& a,
               Eigen::VectorXd widths, std::string what);

  Eigen::Index size() const { return widths_.size(); }
  std::int64_t evaluations() const { return evaluations_; }
  std::int64_t gradients() const { return gradients_; }
  double best_value() const { return best_value_; }
  const Eigen::VectorXd& best() const { return best_; }                              ///< u
  Eigen::VectorXd best_displacement() const { return widths_.cwiseProduct(best_); }  ///< y
  /// With respect to u, at the best point, if it was met by value_and_gradient().
  const Eigen::VectorXd& best_gradient() const { return best_gradient_; }
  /// Of the gradients met so far.
  double largest_entry() const { return largest_entry_; }
  double largest_norm() const { return largest_norm_; }

  /// Both throw ConfigError where f or its gradient is not finite.
  double value(const Eigen::VectorXd& u);
  /// The value, and the gradient with respect to u.
  double value_and_gradient(const Eigen::VectorXd& u, Eigen::VectorXd& gradient);

 private:
  double checked_value(const Eigen::VectorXd& u);
  void check(double found, const char* name, const Eigen::VectorXd& u) const;
  void differences(const Eigen::VectorXd& u, Eigen::VectorXd& gradient);
  bool keep(const Eigen::VectorXd& u, double found);

  const Differentiable& f_;
  const Directions& a_;
  std::string what_;
  Eigen::VectorXd x_, widths_;
  Eigen::VectorXd best_, best_gradient_;
  Eigen::VectorXd at_, slope_;
  double best_value_ = -std::numeric_limits<double>::infinity();
  double largest_entry_ = 0, largest_norm_ = 0;
  std::int64_t evaluations_ = 0, gradients_ = 0;
};

}  // namespace soret::measure

#pragma once

#include <Eigen/Core>
#include <utility>
#include <vector>

/// The quadratic model of L-BFGS-B and its minima in the box [-1, 1]^p; equations are those of Byrd, Lu,
/// Nocedal and Zhu, SIAM J. Sci. Comput. 16, 1190 (1995).
namespace soret::measure {

/// Of F = -f: B = theta - W M W^T with W = (Y, theta S), Eqs. 3.2 to 3.4.
class LimitedMemory {
 public:
  explicit LimitedMemory(double theta) : theta_(theta), w_(0, 0) {}

  double theta() const { return theta_; }
  const Eigen::MatrixXd& w() const { return w_; }
  const Eigen::MatrixXd& m() const { return m_; }

  /// y is the change of F's gradient over the step s. Where F is not convex along s, the pairs are forgotten
  /// and theta falls to a sixteenth.
  void learn(const Eigen::VectorXd& s, const Eigen::VectorXd& y);
  void forget(double theta);

 private:
  void update();

  double theta_;
  std::vector<std::pair<Eigen::VectorXd, Eigen::VectorXd>> pairs_;  // (s, y), oldest first
  Eigen::MatrixXd w_, m_;
};

struct Cauchy {
  Eigen::VectorXd point;
  Eigen::VectorXd c;  ///< W^T (point - u)
};

/// The first minimum of the model about u along the projected steepest descent of F, whose gradient is g.
/// Algorithm CP.
Cauchy cauchy_point(const LimitedMemory& model, const Eigen::VectorXd& u, const Eigen::VectorXd& g);

/// The model's minimum over the variables that are not at a bound of the Cauchy point, projected onto the
/// box; if that does not lead down, cut at the first bound instead. The direct primal method, Eqs. 5.4
/// to 5.11.
Eigen::VectorXd subspace_minimum(const LimitedMemory& model, const Eigen::VectorXd& u,
                                 const Eigen::VectorXd& g, const Cauchy& cauchy);

}  // namespace soret::measure

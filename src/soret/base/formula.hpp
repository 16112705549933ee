#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

/// A formula that the user writes in a config, such as 1 + 0.5*sin(2*pi*q), evaluated by muParser: + - * / ^,
/// comparisons, ?:, sqrt, exp, ln, sin, cos, tan, sinh, tanh, abs, min, max and so on; pi is known. A build
/// without muParser evaluates trees (formula_tree.hpp), about half as fast. An object belongs to one
/// thread; copies are independent.
namespace soret {

class Formula {
 public:
  /// Throws ConfigError if the text does not parse or uses a name that is not among `variables`: the message
  /// repeats the text and points at the character.
  Formula(std::string text, std::vector<std::string> variables);
  Formula(const Formula& other);
  Formula& operator=(const Formula& other);
  Formula(Formula&&) noexcept;
  Formula& operator=(Formula&&) noexcept;
  ~Formula();

  const std::string& text() const;

  /// out[k] = the formula at variable v = x[v][k], for k < out.size(); x has one row per variable.
  void evaluate(std::span<const double* const> x, std::span<double> out) const;
  /// At one place; x has one number per variable.
  double operator()(std::span<const double> x) const;

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace soret

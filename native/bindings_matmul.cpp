// Binding of the matrix ops.
#include <nanobind/nanobind.h>
namespace nb = nanobind;
void bind_matmul(nb::module_&) {}

// The extension module `_kernels`: the thread pool and the list of op families.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <vector>

#include "cpu.h"
#include "thread_pool.h"

namespace nb = nanobind;

void bind_matmul(nb::module_& m);
void bind_attention(nb::module_& m);
void bind_layers(nb::module_& m);
void bind_sampling(nb::module_& m);

NB_MODULE(_kernels, m) {
  using namespace sevenb;
  m.doc() = "sevenb's CPU kernels.";
  nb::set_leak_warnings(false);  // a backend that lives until the interpreter ends is no leak

  nb::class_<ThreadPool>(m, "ThreadPool", "Threads that share the chunks of one op after another.")
      .def(nb::init<int>(), nb::arg("threads"))
      .def_prop_ro("size", &ThreadPool::size, "Threads that work, the caller's included.");

  m.def(
      "resolve_isa", [](const std::string& name) { return std::string(isa_name(resolve_isa(name))); }, nb::arg("name"),
      "The instruction set that `name` (\"auto\" or one of `available_isas()`) means here; ValueError if it can't run.");
  m.def(
      "available_isas",
      [] {
        std::vector<std::string> names;
        for (Isa isa : {Isa::portable, Isa::avx2, Isa::avx512})
          if (isa_available(isa)) names.emplace_back(isa_name(isa));
        return names;
      },
      "Instruction sets whose kernels can run on this processor, slowest first.");

  bind_matmul(m);
  bind_attention(m);
  bind_layers(m);
  bind_sampling(m);
}

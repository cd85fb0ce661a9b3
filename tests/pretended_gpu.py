"""GPUs pretended on a CPU: tensors that say `cuda:0`, compute for real, and refuse to mix with others."""

from contextlib import contextmanager

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

GPU = torch.device("cuda", 0)
MOVES = ("copy_", "_to_copy", "copy")  # operations that may read one device and write another
READ = ("tolist", "cpu", "item", "__int__", "__float__", "__bool__", "__index__", "__repr__")  # by the host
WAITS = ("nonzero", "masked_select", "unique", "equal", "is_nonzero")  # the size of the result is read too
INDEXING = (
    "__getitem__",
    "__setitem__",
    "index",
    "index_put",
    "index_put_",
    "_index_put_impl_",
    "_unsafe_index",
)  # by indices of a CPU


def named(device):
    """The device of a name, a bare number (a GPU's), or None."""
    if device is None or isinstance(device, bool):
        return None
    found = torch.device("cuda", device) if isinstance(device, int) else torch.device(device)
    return GPU if found == torch.device("cuda") else found


def is_gpu(device):
    found = named(device)
    return found is not None and found.type == "cuda"


class OnGpu(torch.Tensor):
    """A tensor on the pretended GPU; its values are in `plain`."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, plain, device=GPU, requires_grad=None):
        if requires_grad is not None:  # the call of a parameter's type, as accelerate offloads
            return torch.nn.Parameter(plain, requires_grad)
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            plain.shape,
            strides=plain.stride(),
            storage_offset=plain.storage_offset(),
            dtype=plain.dtype,
            device=device,
        )
        made.plain = plain
        return made

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name = func.overloadpacket.__name__
        flat = tree_leaves((args, kwargs))
        here = [t for t in flat if isinstance(t, OnGpu)]
        if here:
            require_one_device(name, flat)
        target = kwargs.get("device")
        if is_gpu(target):
            kwargs["device"] = torch.device("cpu")
        out = recorded(func, args, kwargs)
        if name.endswith("_") and here and args and isinstance(args[0], OnGpu) and not name.startswith("_"):
            return args[0]
        if target is not None and not is_gpu(target):
            return out
        return wrapped(out, None, named(target) or here[0].device)


def unwrapped(value):
    return value.plain if isinstance(value, OnGpu) else value


def wrapped(out, first, device):
    """The result of an operation on plain tensors, on a GPU; an in-place one returns `first`."""
    if isinstance(first, OnGpu) and out is first.plain:
        return first
    if type(out).__module__ == "torch.return_types":
        return type(out)(tuple(OnGpu(t, device) for t in out))
    return tree_map(lambda t: OnGpu(t, device) if isinstance(t, torch.Tensor) else t, out)


class PretendedGpu(TorchFunctionMode):
    """Tensors that are made on, or moved to, `cuda` are `OnGpu`; so are results of those."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        first = args[0] if args else None
        if func is torch.device and isinstance(first, int):
            return named(first)
        here = [t for t in tree_leaves((args, kwargs)) if isinstance(t, OnGpu)]
        if name in READ and isinstance(first, OnGpu):
            refuse_while_capturing(name)
            return getattr(first.plain, name)()
        if name == "numpy" and here:
            raise TypeError("can't convert a tensor on cuda:0 to numpy")
        if name == "to" and isinstance(first, torch.Tensor):
            return moved(func, args, kwargs)
        if is_gpu(target := kwargs.get("device")):
            kwargs["device"] = torch.device("cpu")
            return wrapped(recorded(func, args, kwargs), None, named(target))
        if not here or name in ("__get__", "__set__", "detach", "requires_grad_"):
            return func(*args, **kwargs)
        require_one_device(name, (args, kwargs))
        if name in WAITS or (name in INDEXING and any(by_mask(index) for index in tree_leaves(args[1:2]))):
            refuse_while_capturing(name)
        out = recorded(func, args, kwargs)
        return first if name == "copy_" else wrapped(out, first, here[0].device)


def require_one_device(name, values):
    """As CUDA's kernels do; a tensor without dimensions is a number, and a CPU's indices are allowed."""
    tensors = [t for t in tree_leaves(values) if isinstance(t, torch.Tensor)]
    gpus = {t.device for t in tensors if isinstance(t, OnGpu)}
    alien = {t.device for t in tensors if not isinstance(t, OnGpu) and t.ndim}
    if name in MOVES:
        return
    if len(gpus) > 1 or (alien and name not in INDEXING):
        first, second = sorted(map(str, gpus | alien), reverse=True)[:2]
        raise RuntimeError(f"{name}: tensors on {first} and on {second}")


def moved(func, args, kwargs):
    """`tensor.to(...)`, with a device among the arguments or not."""
    tensor, rest = args[0], list(args[1:])
    given = [a for a in rest if isinstance(a, (str, int, torch.device)) and not isinstance(a, bool)]
    given.append(kwargs.get("device"))
    other = [a for a in rest if isinstance(a, torch.Tensor)]
    goal = other[0].device if other else next((d for d in map(named, given) if d is not None), None)
    if goal is None:
        return func(*args, **kwargs)
    types = [a for a in rest if isinstance(a, torch.dtype)] + [t.dtype for t in other]
    kwargs = {name: value for name, value in kwargs.items() if name != "device"}
    if isinstance(tensor, OnGpu) != (goal.type == "cuda"):
        refuse_while_capturing("to")
    plain = recorded(func, (tensor, *types), kwargs) if types or kwargs else unwrapped(tensor)
    return OnGpu(plain, goal) if goal.type == "cuda" else plain.to(goal)


class Graph:
    """A CUDA graph: captured operations take effect only when it is replayed."""

    capturing = None  # the graph that is captured now

    def __init__(self, calls):
        self.calls, self.steps = calls, []
        self.before, self.made = {}, {}  # by address: memory that was there, with its content; new memory

    def replay(self):
        self.calls.append("replay")
        for func, args, kwargs, out in self.steps:
            again = func(*args, **kwargs)
            for old, new in zip(tree_leaves(out), tree_leaves(again), strict=True):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)

    def remember(self, values):
        """Keep what tensors held before the capture."""
        for address, memory in memory_of(values).items():
            if address not in self.made and address not in self.before:
                self.before[address] = memory, memory.clone()

    @contextmanager
    def captured(self):
        self.calls.append("capture")
        Graph.capturing = self
        try:
            yield
        finally:
            Graph.capturing = None
        for memory in self.made.values():
            memory.fill_(255)  # nothing is computed yet
        for memory, content in self.before.values():
            memory.copy_(content)


def recorded(func, args, kwargs):
    """The result of `func` on plain tensors; a graph that is captured repeats it."""
    args, kwargs = tree_map(unwrapped, args), tree_map(unwrapped, kwargs)
    graph = Graph.capturing
    if graph is None:
        return func(*args, **kwargs)
    graph.remember((args, kwargs))
    out = func(*args, **kwargs)
    graph.made.update(memory_of(out))
    graph.steps.append((func, args, kwargs, out))
    return out


def memory_of(values):
    """The memory of each tensor, by its address."""
    found = [value.untyped_storage() for value in tree_leaves(values) if isinstance(value, torch.Tensor)]
    return {memory.data_ptr(): memory for memory in found}


def by_mask(index):
    """Whether an index is truth values, whose number of true ones the host reads."""
    return isinstance(index, torch.Tensor) and index.dtype in (torch.bool, torch.uint8)


def refuse_while_capturing(name):
    if Graph.capturing is not None:
        raise RuntimeError(f"{name}: operation not permitted when stream is capturing")


class Generator(torch.Generator):
    """Random numbers of the pretended GPU are the CPU's."""

    def __new__(cls, device="cpu"):
        return super().__new__(cls, "cpu")


@contextmanager
def pretended_gpu(monkeypatch, count=1):
    """torch as on a machine with GPUs of 8 GB; what is counted is in the list that this yields."""
    calls = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device=None: calls.append("synchronize"))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: calls.append("empty_cache"))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device=None: (2 << 30, 8 << 30))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device=None: 1 << 30)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device=None: 1 << 29)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: "Pretended")
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device=None: calls.append(f"state of {device}"))
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device=None: None)
    monkeypatch.setattr(torch, "Generator", Generator)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: Graph(calls))
    monkeypatch.setattr(torch.cuda, "graph", lambda graph, pool: graph.captured())
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: "pool")
    with PretendedGpu():
        yield calls

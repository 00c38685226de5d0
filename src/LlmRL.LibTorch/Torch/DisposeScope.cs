using static TorchSharp.torch;

namespace TorchSharp;

/// <summary>Disposes, when it ends, every tensor made in it that was not moved out or detached. Belongs to the thread that opened it.</summary>
public sealed class DisposeScope : IDisposable
{
    private const int CompactAbove = 64;

    [ThreadStatic] private static DisposeScope? t_current;

    private readonly List<IDisposable?> _items = [];
    private int _count;
    private bool _disposed;

    internal DisposeScope()
    {
        OuterScope = t_current;
        t_current = this;
    }

    internal static DisposeScope? Current => t_current;

    /// <summary>The scope in which this one was opened.</summary>
    internal DisposeScope? OuterScope { get; }

    /// <summary>What the scope would dispose now.</summary>
    public IReadOnlyList<IDisposable> DisposablesView => [.. _items.Where(item => item is not null).Select(item => item!)];

    /// <summary>How many objects the scope would dispose now.</summary>
    public int DisposablesCount => _count;

    /// <summary>Hands an object to the surrounding scope, or to nobody when there is none.</summary>
    public T MoveToOuter<T>(T disposable) where T : IDisposable => MoveToOther(OuterScope, disposable);

    /// <summary>Hands objects to the surrounding scope.</summary>
    public void MoveToOuter(params IDisposable[] disposables) => MoveToOther(OuterScope, disposables);

    /// <summary>Hands objects to the surrounding scope.</summary>
    public void MoveToOuter(IEnumerable<IDisposable> disposables) => MoveToOther(OuterScope, disposables);

    /// <summary>Hands an object to another scope, or to nobody when null.</summary>
    public T MoveToOther<T>(DisposeScope? scope, T disposable) where T : IDisposable
    {
        Remove(disposable);
        scope?.Add(disposable);
        return disposable;
    }

    /// <summary>Hands objects to another scope.</summary>
    public void MoveToOther(DisposeScope? scope, params IDisposable[] disposables) => MoveToOther(scope, (IEnumerable<IDisposable>)disposables);

    /// <summary>Hands objects to another scope.</summary>
    public void MoveToOther(DisposeScope? scope, IEnumerable<IDisposable> disposables)
    {
        foreach (IDisposable disposable in disposables) MoveToOther<IDisposable>(scope, disposable);
    }

    /// <summary>Takes an object out of all scopes: the caller disposes it.</summary>
    public T Detach<T>(T disposable) where T : IDisposable => MoveToOther(null, disposable);

    /// <summary>Takes objects out of all scopes.</summary>
    public void Detach(params IDisposable[] disposables) => MoveToOther(null, disposables);

    /// <summary>Takes objects out of all scopes.</summary>
    public void Detach(IEnumerable<IDisposable> disposables) => MoveToOther(null, disposables);

    /// <summary>Puts an object under this scope.</summary>
    public void Attach(IDisposable disposable) => Add(disposable);

    /// <summary>Puts objects under this scope.</summary>
    public void Attach(params IDisposable[] disposables)
    {
        foreach (IDisposable disposable in disposables) Add(disposable);
    }

    /// <summary>Puts objects under this scope.</summary>
    public IReadOnlyList<IDisposable> Attach(IEnumerable<IDisposable> disposables)
    {
        IDisposable[] all = [.. disposables];
        Attach(all);
        return all;
    }

    /// <summary>Disposes all that the scope holds now; the scope stays open.</summary>
    public void DisposeEverything()
    {
        // Disposal of one object may dispose another, so the list is read by index and entries are cleared first.
        for (int i = _items.Count - 1; i >= 0; i--)
        {
            if (i >= _items.Count || _items[i] is not { } item) continue;
            _items[i] = null;
            if (item is Tensor tensor) tensor.Owner = null;
            item.Dispose();
        }
        _items.Clear();
        _count = 0;
    }

    /// <summary>Disposes all but the given objects.</summary>
    public void DisposeEverythingBut(IEnumerable<IDisposable> inKeep)
    {
        IDisposable[] keep = [.. inKeep.Where(Contains)];
        Detach(keep);
        DisposeEverything();
        Attach(keep);
    }

    /// <summary>Disposes all but the given objects.</summary>
    public void DisposeEverythingBut(params IDisposable[] keep) => DisposeEverythingBut((IEnumerable<IDisposable>)keep);

    /// <summary>Disposes all but the given object.</summary>
    public T DisposeEverythingBut<T>(T keep) where T : IDisposable
    {
        DisposeEverythingBut((IEnumerable<IDisposable>)[keep]);
        return keep;
    }

    /// <summary>Forgets an object that was disposed by other means.</summary>
    public void MarkAsDisposed(IDisposable disposable) => Remove(disposable);

    /// <summary>Whether the scope would dispose the object.</summary>
    public bool Contains(IDisposable disposable) =>
        disposable is Tensor tensor ? ReferenceEquals(tensor.Owner, this) : IndexOf(disposable) >= 0;

    /// <summary>Disposes what the scope holds and returns to the surrounding scope.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        DisposeEverything();
        for (DisposeScope? scope = t_current; scope is not null; scope = scope.OuterScope)
        {
            if (ReferenceEquals(scope, this))
            {
                t_current = OuterScope;
                return;
            }
        }
    }

    internal void Add(IDisposable disposable)
    {
        if (disposable is Tensor tensor)
        {
            if (ReferenceEquals(tensor.Owner, this)) return;
            tensor.Owner?.Remove(tensor);
            tensor.Owner = this;
            tensor.Slot = _items.Count;
        }
        else if (IndexOf(disposable) >= 0)
        {
            return;
        }
        _items.Add(disposable);
        _count++;
    }

    internal void Remove(IDisposable disposable)
    {
        int slot;
        if (disposable is Tensor tensor)
        {
            if (!ReferenceEquals(tensor.Owner, this))
            {
                tensor.Owner?.Remove(tensor);
                return;
            }
            tensor.Owner = null;
            slot = tensor.Slot;
        }
        else
        {
            slot = IndexOf(disposable);
            if (slot < 0) return;
        }
        _items[slot] = null;
        _count--;
        if (slot == _items.Count - 1) _items.RemoveAt(slot);
        else if (_items.Count > CompactAbove && _count < _items.Count / 2) Compact();
    }

    private void Compact()
    {
        int next = 0;
        for (int i = 0; i < _items.Count; i++)
        {
            if (_items[i] is not { } item) continue;
            if (item is Tensor tensor) tensor.Slot = next;
            _items[next++] = item;
        }
        _items.RemoveRange(next, _items.Count - next);
    }

    private int IndexOf(IDisposable disposable) => _items.FindLastIndex(item => ReferenceEquals(item, disposable));
}

using System.Runtime.InteropServices;
using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmRL.Native;

/// <summary>
/// The backward pass of a <see cref="CustomFunction"/>: from the gradients of the outputs (null: zero) to those of the inputs, in their
/// order; null where there is none or <paramref name="needed"/> says that nobody asks for it. Gradients off; what it allocates is disposed.
/// </summary>
public delegate Tensor?[] BackwardPass(Tensor?[] gradOutputs, Tensor[] saved, ReadOnlySpan<bool> needed);

/// <summary>An operation whose forward and backward passes are managed code, as one node of libtorch's graph.</summary>
public static unsafe class CustomFunction
{
    private const int ActionBackward = 0;
    private const int ActionReleaseSaved = 1;
    private const int ActionDestroy = 2;

    /// <summary>Runs the forward pass without recording, and attaches the backward pass to its result.</summary>
    /// <param name="inputs">What the result depends on; null entries get no gradient.</param>
    /// <param name="saved">What the backward pass needs besides the output.</param>
    /// <param name="forward">Computes the output in fresh memory (no view of an input).</param>
    /// <param name="backward">See <see cref="BackwardPass"/>; its <c>saved</c> holds <paramref name="saved"/>, then the output when <paramref name="saveOutput"/>.</param>
    /// <param name="saveOutput">Whether the backward pass reads the output.</param>
    public static Tensor Apply(Tensor?[] inputs, Tensor[] saved, Func<Tensor> forward, BackwardPass backward, bool saveOutput = false)
    {
        Tensor output;
        using (no_grad()) output = forward();
        Attach(inputs, [output], saveOutput ? [.. saved, output] : saved, backward);
        return output;
    }

    /// <summary>
    /// Makes already computed outputs (computed under <see cref="no_grad"/>, no views) depend on the inputs. Saved tensors are kept as detached
    /// aliases until the graph is freed, so outputs may be among them; they must not be changed in place meanwhile. Returns whether any gradient is wanted.
    /// </summary>
    public static bool Attach(Tensor?[] inputs, Tensor[] outputs, Tensor[] saved, BackwardPass backward)
    {
        if (!is_grad_enabled() || !Array.Exists(inputs, input => input is not null && input.requires_grad)) return false;
        Node node = new(backward, Array.ConvertAll(saved, tensor => tensor.detach().DetachFromDisposeScope()));
        nint context = GCHandle.ToIntPtr(GCHandle.Alloc(node));
        nint* inputHandles = stackalloc nint[inputs.Length];
        nint* outputHandles = stackalloc nint[outputs.Length];
        for (int i = 0; i < inputs.Length; i++) inputHandles[i] = inputs[i]?.Handle ?? 0;
        for (int i = 0; i < outputs.Length; i++) outputHandles[i] = outputs[i].Handle;
        int status = NativeMethods.llmrl_custom_function(inputHandles, inputs.Length, outputHandles, outputs.Length, &Callback, context);
        GC.KeepAlive(inputs);
        GC.KeepAlive(outputs);
        NativeTorch.Check(status, "custom function");
        return status == 1;
    }

    [UnmanagedCallersOnly]
    private static int Callback(
        nint context, int action, nint* incoming, int incomingCount, byte* needed, nint* outgoing, int outgoingCount, byte* message, int capacity)
    {
        GCHandle handle = GCHandle.FromIntPtr(context);
        Node node = (Node)handle.Target!;
        switch (action)
        {
            case ActionBackward:
                try
                {
                    node.Run(new ReadOnlySpan<nint>(incoming, incomingCount), new ReadOnlySpan<bool>(needed, outgoingCount), new Span<nint>(outgoing, outgoingCount));
                    return 0;
                }
                catch (Exception exception)
                {
                    // No exception may cross native frames: the text goes over, and libtorch throws it again.
                    WriteText($"{exception.GetType().Name}: {exception.Message}", message, capacity);
                    return 1;
                }
            case ActionReleaseSaved:
                node.Release();
                return 0;
            case ActionDestroy:
                node.Release();
                handle.Free();
                return 0;
            default:
                return 1;
        }
    }

    private static void WriteText(string text, byte* target, int capacity)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        int length = Math.Min(utf8.Length, capacity - 1);
        utf8.AsSpan(0, length).CopyTo(new Span<byte>(target, length));
        target[length] = 0;
    }

    private sealed class Node(BackwardPass backward, Tensor[] saved)
    {
        private Tensor[]? _saved = saved;

        public void Run(ReadOnlySpan<nint> incoming, ReadOnlySpan<bool> needed, Span<nint> outgoing)
        {
            Tensor[] kept = _saved ?? throw new InvalidOperationException("the graph was freed by an earlier backward pass: pass retain_graph to it");
            using DisposeScope scope = NewDisposeScope();
            Tensor?[] gradients = new Tensor?[incoming.Length];
            for (int i = 0; i < gradients.Length; i++)
            {
                if (incoming[i] != 0) gradients[i] = new Tensor(NativeMethods.llmrl_tensor_alias(incoming[i]));
            }
            Tensor?[] results;
            using (no_grad()) results = backward(gradients, kept, needed);
            if (results.Length != outgoing.Length)
            {
                throw new InvalidOperationException($"the backward pass returned {results.Length} gradients for {outgoing.Length} inputs");
            }
            for (int i = 0; i < results.Length; i++)
            {
                // The alias keeps its own reference: the wrapper may be shared, or owned by the scope.
                if (results[i] is { } result && needed[i]) outgoing[i] = NativeMethods.llmrl_tensor_alias(result.Handle);
            }
            GC.KeepAlive(results);
        }

        public void Release()
        {
            Tensor[]? kept = Interlocked.Exchange(ref _saved, null);
            if (kept is null) return;
            foreach (Tensor tensor in kept) tensor.Dispose();
        }
    }
}

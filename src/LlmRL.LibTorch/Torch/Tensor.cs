using System.Runtime.CompilerServices;
using LlmRL.Native;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>A multi-dimensional array in native memory. Disposed by the <see cref="DisposeScope"/> in which it was made; finalisers are only a safety net.</summary>
    public partial class Tensor : IDisposable
    {
        private static long s_totalCount;
        private static long s_peakCount;
        private nint _handle;

        /// <summary>Takes over one reference.</summary>
        internal Tensor(nint handle)
        {
            _handle = handle;
            if (handle == 0)
            {
                GC.SuppressFinalize(this);
                return;
            }
            long count = Interlocked.Increment(ref s_totalCount);
            if (count > s_peakCount) s_peakCount = count;
            DisposeScope.Current?.Add(this);
        }

        /// <summary>Frees the native tensor when nobody disposed this object.</summary>
        ~Tensor() => Dispose(false);

        /// <summary>How many tensors live now.</summary>
        public static long TotalCount => Interlocked.Read(ref s_totalCount);

        /// <summary>The most tensors that ever lived at once.</summary>
        public static long PeakCount => Interlocked.Read(ref s_peakCount);

        /// <summary>The scope that will dispose this tensor.</summary>
        internal DisposeScope? Owner { get; set; }

        /// <summary>Where <see cref="Owner"/> keeps it.</summary>
        internal int Slot { get; set; }

        /// <summary>The native <c>TensorImpl</c>; throws when disposed.</summary>
        public IntPtr Handle
        {
            get
            {
                nint handle = _handle;
                if (handle == 0) ThrowDisposed();
                return handle;
            }
        }

        /// <summary>Whether the tensor was disposed or gave its handle away.</summary>
        public bool IsInvalid => _handle == 0;

        /// <summary>Takes over a native reference (a <c>TensorImpl</c>).</summary>
        public static Tensor UnsafeCreateTensor(IntPtr handle) => new(handle);

        /// <summary>Gives the native reference to the caller and empties this object.</summary>
        public IntPtr DecoupleFromNativeHandle()
        {
            nint handle = Handle;
            Forget();
            return handle;
        }

        /// <summary>Frees the native tensor now.</summary>
        public void Dispose()
        {
            Dispose(true);
            GC.SuppressFinalize(this);
        }

        /// <summary>Another object for the same native tensor (not a copy).</summary>
        public Tensor alias()
        {
            Tensor result = new(NativeMethods.llmrl_tensor_alias(Handle));
            GC.KeepAlive(this);
            return result;
        }

        /// <summary>Hands the tensor to the scope that surrounds its own.</summary>
        public Tensor MoveToOuterDisposeScope()
        {
            Owner?.MoveToOuter(this);
            return this;
        }

        /// <summary>Takes the tensor out of all scopes: the caller disposes it.</summary>
        public Tensor DetachFromDisposeScope()
        {
            Owner?.Detach(this);
            return this;
        }

        /// <summary>Hands the tensor to the scope of another tensor.</summary>
        public Tensor MoveToOtherDisposeScope(Tensor other) => MoveToOtherDisposeScope(other.Owner);

        /// <summary>Hands the tensor to another scope, or to nobody when null.</summary>
        public Tensor MoveToOtherDisposeScope(DisposeScope? other)
        {
            if (Owner is { } owner) owner.MoveToOther(other, this);
            else other?.Attach(this);
            return this;
        }

        /// <summary>Whether both are the same object; for equality of the values see <see cref="equal"/>.</summary>
        public override bool Equals(object? obj) => ReferenceEquals(this, obj);

        /// <inheritdoc/>
        public override int GetHashCode() => RuntimeHelpers.GetHashCode(this);

        /// <summary>Frees the native tensor.</summary>
        protected virtual void Dispose(bool disposing)
        {
            nint handle = Interlocked.Exchange(ref _handle, 0);
            if (handle == 0) return;
            Interlocked.Decrement(ref s_totalCount);
            // A finaliser must leave the scope alone: both died together, or the scope belongs to another thread.
            if (disposing) Owner?.Remove(this);
            NativeMethods.llmrl_tensor_free(handle);
        }

        private void Forget()
        {
            _handle = 0;
            Interlocked.Decrement(ref s_totalCount);
            Owner?.Remove(this);
            GC.SuppressFinalize(this);
        }

        private static void ThrowDisposed() =>
            throw new ObjectDisposedException("Tensor", "The tensor was disposed: detach it from its dispose scope, or move it to the outer one, to keep it.");

        /// <summary>Lets an in-place call be one expression that returns this same object.</summary>
        private Tensor Self(int resultsDropped) => this;
    }
}

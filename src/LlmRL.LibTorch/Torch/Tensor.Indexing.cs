using LlmRL.Native;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        /// <summary>Entries by one index per dimension; a view unless an index is a tensor. Setting copies into the entries.</summary>
        public Tensor this[params TensorIndex[] indices]
        {
            get => index(indices);
            set => index_put_(value, indices);
        }

        /// <summary>Entries by tensors of indices or masks. Setting copies into the entries.</summary>
        public Tensor this[params Tensor[] indices]
        {
            get => index(indices);
            set => index_put_(value, indices);
        }

        /// <summary>View of one entry of the first dimension. Setting copies into it.</summary>
        public Tensor this[long i1]
        {
            get => select(0, i1);
            set => Assign([i1], value);
        }

        /// <summary>View of one entry of the first two dimensions. Setting copies into it.</summary>
        public Tensor this[long i1, long i2]
        {
            get => At([i1, i2]);
            set => Assign([i1, i2], value);
        }

        /// <summary>View of one entry of the first three dimensions. Setting copies into it.</summary>
        public Tensor this[long i1, long i2, long i3]
        {
            get => At([i1, i2, i3]);
            set => Assign([i1, i2, i3], value);
        }

        /// <summary>View of one entry of the first four dimensions. Setting copies into it.</summary>
        public Tensor this[long i1, long i2, long i3, long i4]
        {
            get => At([i1, i2, i3, i4]);
            set => Assign([i1, i2, i3, i4], value);
        }

        /// <summary>Entries by one index per dimension; a view unless an index is a tensor.</summary>
        public Tensor index(params TensorIndex[] indices)
        {
            (Tensor view, Tensor?[] lists) = BasicView(indices);
            if (lists.Length == 0) return view;
            if (ReferenceEquals(view, this)) return Aten.IndexTensor.Call(this, lists);
            using (view) return Aten.IndexTensor.Call(view, lists);
        }

        /// <summary>Entries by tensors of indices or masks.</summary>
        public Tensor index(params Tensor[] indices) => Aten.IndexTensor.Call(this, indices);

        /// <summary>In place: copies into the entries.</summary>
        public Tensor index_put_(Tensor value, params TensorIndex[] indices) => index_put_(value, indices, false);

        /// <summary>In place: copies into the entries, or adds to them.</summary>
        public Tensor index_put_(Tensor value, TensorIndex[] indices, bool accumulate = false)
        {
            (Tensor view, Tensor?[] lists) = BasicView(indices);
            if (lists.Length > 0) Aten.IndexPutInPlace.Run(view, lists, value, accumulate);
            else if (accumulate) view.add_(value);
            else view.copy_(value);
            if (!ReferenceEquals(view, this)) view.Dispose();
            return this;
        }

        /// <summary>In place: copies into the entries.</summary>
        public Tensor index_put_(Tensor value, params Tensor[] indices) => Self(Aten.IndexPutInPlace.Run(this, indices, value));

        /// <summary>In place: copies into the entries, or adds to them.</summary>
        public Tensor index_put_(Tensor value, Tensor[] indices, bool accumulate = false) => Self(Aten.IndexPutInPlace.Run(this, indices, value, accumulate));

        /// <summary>In place: fills the entries.</summary>
        public Tensor index_put_(Scalar value, params TensorIndex[] indices)
        {
            using Tensor filler = full([], value, dtype, device);
            return index_put_(filler, indices, false);
        }

        /// <summary>In place: fills the entries.</summary>
        public Tensor index_put_(Scalar value, params Tensor[] indices)
        {
            using Tensor filler = full([], value, dtype, device);
            return index_put_(filler, indices, false);
        }

        private Tensor At(ReadOnlySpan<long> indices)
        {
            Tensor view = select(0, indices[0]);
            foreach (long i in indices[1..])
            {
                using Tensor outer = view;
                view = outer.select(0, i);
            }
            return view;
        }

        private void Assign(ReadOnlySpan<long> indices, Tensor value)
        {
            using Tensor view = At(indices);
            view.copy_(value);
        }

        /// <summary>Applies numbers, ranges and placeholders one by one; what tensors index is returned per dimension of the view.</summary>
        private (Tensor View, Tensor?[] Lists) BasicView(TensorIndex[] indices)
        {
            Tensor view = this;
            List<Tensor?> lists = [];
            int dimension = 0;
            // A mask of k dimensions is one list entry for k dimensions.
            int listed = 0;
            foreach (TensorIndex entry in indices)
            {
                switch (entry.Type)
                {
                    case TensorIndex.Kind.Ellipsis:
                        dimension += (int)dim() - indices.Sum(DimensionsUsed);
                        break;
                    case TensorIndex.Kind.Single:
                        Step(view.select(dimension, entry.Start));
                        break;
                    case TensorIndex.Kind.None:
                        Step(view.unsqueeze(dimension++));
                        break;
                    case TensorIndex.Kind.Bool:
                        Step(view.unsqueeze(dimension));
                        if (entry.Start == 0) Step(view.narrow(dimension, 0, 0));
                        dimension++;
                        break;
                    case TensorIndex.Kind.Slice:
                        if (entry is not { Start: 0, Stop: null, Step: 1 }) Step(view.slice(dimension, entry.Start, entry.Stop ?? long.MaxValue, entry.Step));
                        dimension++;
                        break;
                    default:
                        for (; listed < dimension; listed++) lists.Add(null);
                        lists.Add(entry.Values);
                        dimension += DimensionsUsed(entry);
                        listed = dimension;
                        break;
                }
            }
            return (ReferenceEquals(view, this) && lists.Count == 0 ? alias() : view, [.. lists]);

            void Step(Tensor next)
            {
                if (!ReferenceEquals(view, this)) view.Dispose();
                view = next;
            }
        }

        private static int DimensionsUsed(TensorIndex entry) => entry.Type switch
        {
            TensorIndex.Kind.Slice or TensorIndex.Kind.Single => 1,
            TensorIndex.Kind.Tensor => entry.Values!.dtype == ScalarType.Bool ? (int)entry.Values.dim() : 1,
            _ => 0,
        };
    }
}
